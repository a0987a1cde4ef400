"""Paths and queries: ids from outside become exactly one path segment, or nothing is sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from codat_hub.codat.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_SEGMENT: Final = 200
LONGEST_QUERY: Final = 2048  # Codat's own limit (docs/codat.md, C9)
# A slash or a dot segment could reach another path behind a proxy that decodes before it routes,
# and a percent sign behind one that decodes twice.
_UNSAFE: Final = re.compile(r"[/\\%\x00-\x20\x7f-\x9f\ud800-\udfff]|\A\.*\Z")


def path(*segments: str) -> str:
    """`/a/b` of `a`, `b`, percent-encoded. Raises Permanent for what is no safe segment."""
    return "".join(f"/{_segment(segment)}" for segment in segments)


def query_string(parameters: Mapping[str, str | int | None]) -> str:
    """`?a=b` without the Nones, or nothing. Spaces become `%20`. Raises Permanent when too long."""
    given = {name: str(value) for name, value in parameters.items() if value is not None}
    for name, value in given.items():
        if len(value) >= LONGEST_QUERY or not _encodable(value):
            raise Permanent(f"not sent: query parameter {name} is too long or no valid text")
    return f"?{urlencode(given, quote_via=quote)}" if given else ""


def _segment(text: str) -> str:
    if len(text) > LONGEST_SEGMENT or _UNSAFE.search(text):
        raise Permanent(f"not sent: {text[:60]!a} cannot be part of a path")
    return quote(text, safe="")


def _encodable(text: str) -> bool:
    return not re.search(r"[\ud800-\udfff]", text)
