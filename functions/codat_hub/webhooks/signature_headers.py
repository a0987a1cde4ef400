"""The three signature headers of Standard Webhooks, parsed strictly and bounded in length.

Codat delivers through Svix, so the names `svix-*` count where `webhook-id` is absent
(docs/codat.md, C39, C41).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from codat_hub.errors import Refused

# No braces or quotes. The signature covers `id.time.body`, so an id that could hold the start of a
# JSON body would let one signature fit two different splits of that text.
_ID: Final = re.compile(r"[\w.:+/=@-]{1,255}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
_HMAC_SHA256: Final = re.compile(r"v1,[A-Za-z0-9+/]{43}=")
_MAX_SIGNATURES: Final = 4096  # characters, 85 signatures; Codat sends two at most


@dataclass(frozen=True, slots=True)
class SignatureHeaders:
    """The signed values of a delivery, with at least one well-formed v1 signature."""

    webhook_id: str
    timestamp: str
    signatures: tuple[str, ...]


def parse_signature_headers(headers: Mapping[str, str]) -> SignatureHeaders:
    """Return the signed values from headers in any case.

    Raises Refused when a header is missing, malformed or too long.
    """
    named = {name.lower(): value for name, value in headers.items()}
    prefix = "webhook" if "webhook-id" in named else "svix"
    webhook_id = named.get(f"{prefix}-id", "")
    timestamp = named.get(f"{prefix}-timestamp", "")
    signatures = named.get(f"{prefix}-signature", "")
    if not (_ID.fullmatch(webhook_id) and _TIMESTAMP.fullmatch(timestamp)):
        raise Refused("webhook id or timestamp missing or malformed")
    return SignatureHeaders(webhook_id, timestamp, _signatures(signatures))


def _signatures(header: str) -> tuple[str, ...]:
    if len(header) > _MAX_SIGNATURES:
        raise Refused("signature header too long")
    parts = header.split(" ")
    if "" in parts:
        raise Refused("signature header missing or malformed")
    # Entries of other versions are skipped: a good signature may follow them.
    signatures = tuple(part for part in parts if _HMAC_SHA256.fullmatch(part))
    if not signatures:
        raise Refused("no v1 signature")
    return signatures
