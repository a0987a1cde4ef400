"""The unpacked body of an answer, with a limit to the memory that it can take."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final, cast

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Bytes after unpacking; a page of 100 companies takes about 0.3 MB.
LARGEST_ANSWER: Final = 8 * 1024 * 1024
# Bytes of an error answer; the rest is not read.
LARGEST_ERROR: Final = 64 * 1024
# The only coding that is asked for and accepted. httpx accepts several on top of each other, and
# unpacks each as a whole: 3 KB can become 3 GB.
ACCEPTED_CODING: Final = "gzip"
_AT_ONCE: Final = 64 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
# The meaning of these is in the body, so it must be whole.
_MEANING_IN_BODY: Final = frozenset({400, 409})


class TooLong(Exception):
    """The answer has more bytes than any of Codat's."""


def whole(response: httpx.Response) -> bytes:
    """Return the body; of an error that its status explains, any part that can be read.

    Raises TooLong, and httpx's HTTPError and StreamError, such as DecodingError for a body that
    cannot be unpacked.
    """
    body = bytearray()
    try:
        for piece in _unpacked(response):
            body += piece
            if response.is_error and len(body) >= LARGEST_ERROR:
                return bytes(body[:LARGEST_ERROR])
            if len(body) > LARGEST_ANSWER:
                raise TooLong(f"over {LARGEST_ANSWER} bytes")
    except (httpx.HTTPError, httpx.StreamError):
        if not response.is_error or response.status_code in _MEANING_IN_BODY:
            raise
    return bytes(body)


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    # Not `iter_raw`, which refuses a response that was created with its content.
    pieces = cast("httpx.SyncByteStream", response.stream)
    codings = response.headers.get_list("content-encoding", split_commas=True)
    match [coding.lower() for coding in codings if coding.lower() not in {"", "identity"}]:
        case []:
            yield from pieces
        case ["gzip" | "x-gzip"]:
            yield from _gunzipped(pieces)
        case _:
            raise httpx.DecodingError("packed in a way that was not asked for")


def _gunzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield at most 64 KB at a time, however much a piece unpacks to."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        for piece in pieces:
            packed = piece
            while packed:
                yield unpacker.decompress(packed, _AT_ONCE)
                packed = unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error as exc:
        raise httpx.DecodingError(str(exc)) from None
