"""The body of an answer: unpacked, and never more of it in memory than any of Codat's is long."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final, cast

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Bytes after decompression; a page of 100 companies takes about 0.3 MB.
LARGEST_ANSWER: Final = 8 * 1024 * 1024
# Bytes of an error answer that are read at all.
LARGEST_ERROR: Final = 64 * 1024
# The one coding we ask for and take; httpx takes several on top of each other, and unpacks each
# whole: 3 KB become 3 GB.
ACCEPTED_CODING: Final = "gzip"
_AT_ONCE: Final = 64 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
# What these mean is only known from the body, so it has to be whole.
_TOLD_BY_BODY: Final = frozenset({400, 409})


class TooLong(Exception):
    """More bytes than any answer of Codat's."""


def whole(response: httpx.Response) -> bytes:
    """The body; of an error told by its status whatever part of it can be had.

    Raises TooLong and httpx's HTTPError and StreamError, of them DecodingError for what cannot be
    unpacked.
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
        if not response.is_error or response.status_code in _TOLD_BY_BODY:
            raise
    return bytes(body)


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    # The stream itself: `iter_raw` refuses a response that was made with its content.
    pieces = cast("httpx.SyncByteStream", response.stream)
    codings = response.headers.get_list("content-encoding", split_commas=True)
    match [coding.lower() for coding in codings if coding.lower() not in {"", "identity"}]:
        case []:
            yield from pieces
        case ["gzip" | "x-gzip"]:
            yield from _gunzipped(pieces)
        case _:
            raise httpx.DecodingError("packed in a way we did not ask for")


def _gunzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """At most 64 KB at a time, whatever a piece unpacks to."""
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
