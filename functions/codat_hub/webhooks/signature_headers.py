"""The three headers of a Standard Webhooks delivery, read strictly and bounded in length.

Sources: docs/codat.md, C39, C41. Codat sends through Svix, whose branded names
`svix-*` are accepted when the unbranded ones are absent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from codat_hub.errors import Refused

# No braces or quotes: id, time and body are joined by dots before signing, so an id that could
# contain the start of a JSON body would let a replayed signature cover another split.
_ID: Final = re.compile(r"[\w.:+/=@-]{1,255}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
_HMAC_SHA256: Final = re.compile(r"v1,[A-Za-z0-9+/]{43}=")
_MAX_SIGNATURES: Final = 4096  # characters: forty signatures; two are ever sent


@dataclass(frozen=True, slots=True)
class SignatureHeaders:
    """`signatures` holds the well-formed v1 signatures only, at least one."""

    webhook_id: str
    timestamp: str
    signatures: tuple[str, ...]


def parse_signature_headers(headers: Mapping[str, str]) -> SignatureHeaders:
    """Read the headers (any case). Raises Refused when one is missing or not of its form."""
    named = {name.lower(): value for name, value in headers.items()}
    prefix = "webhook" if "webhook-id" in named else "svix"
    webhook_id = named.get(f"{prefix}-id", "")
    timestamp = named.get(f"{prefix}-timestamp", "")
    listed = named.get(f"{prefix}-signature", "")
    if not (_ID.fullmatch(webhook_id) and _TIMESTAMP.fullmatch(timestamp)):
        raise Refused("webhook id or timestamp missing or malformed")
    return SignatureHeaders(webhook_id, timestamp, _signatures(listed))


def _signatures(listed: str) -> tuple[str, ...]:
    if len(listed) > _MAX_SIGNATURES:
        raise Refused("signature header too long")
    parts = listed.split(" ")
    if "" in parts:
        raise Refused("signature header missing or malformed")
    # Other versions and stray entries are skipped, so that a good signature behind them counts.
    signatures = tuple(part for part in parts if _HMAC_SHA256.fullmatch(part))
    if not signatures:
        raise Refused("no v1 signature")
    return signatures
