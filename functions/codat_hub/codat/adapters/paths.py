"""Paths and queries: a foreign id becomes exactly one path segment, or nothing is sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from codat_hub.codat.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_SEGMENT: Final = 200
LONGEST_QUERY: Final = 2048  # Codat's limit (docs/codat.md, C9)
# A slash or a dot segment could reach another path behind a proxy that decodes before it routes; a
# percent sign could do so behind a proxy that decodes twice.
_UNSAFE: Final = re.compile(r"[/\\%\x00-\x20\x7f-\x9f\ud800-\udfff]|\A\.*\Z")


def path(*segments: str) -> str:
    """Return `/a/b` for `a` and `b`, percent-encoded. Raises Permanent for an unsafe segment."""
    return "".join(f"/{_segment(segment)}" for segment in segments)


def is_segment(text: str) -> bool:
    """Tell whether a foreign id can be a path segment, and so whether a call can name it."""
    return len(text) <= LONGEST_SEGMENT and _UNSAFE.search(text) is None


def query_string(parameters: Mapping[str, str | int | None]) -> str:
    """Return `?a=b`, or nothing, without None values. Raises Permanent for a too long value."""
    given = {name: str(value) for name, value in parameters.items() if value is not None}
    for name, value in given.items():
        if len(value) >= LONGEST_QUERY or not is_encodable(value):
            raise Permanent(f"not sent: query parameter {name} is too long or no valid text")
    return f"?{urlencode(given, quote_via=quote)}" if given else ""


def _segment(text: str) -> str:
    if not is_segment(text):
        raise Permanent(f"not sent: {text[:60]!a} cannot be part of a path")
    return quote(text, safe="")


def is_encodable(text: str) -> bool:
    """Tell whether a text has no half of a surrogate pair, which UTF-8 cannot encode."""
    return not re.search(r"[\ud800-\udfff]", text)
