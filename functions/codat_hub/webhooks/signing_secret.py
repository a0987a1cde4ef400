"""The form of a webhook consumer's name and of a signing secret.

A signing secret is `whsec_` and the base64 of 24 to 64 bytes, as in Standard Webhooks
(docs/codat.md, C40).
"""

import base64
import binascii
import re
from typing import Final

PREFIX: Final = "whsec_"
KEY_BYTES: Final = range(24, 65)
_CONSUMER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def is_consumer(name: str) -> bool:
    """Return whether a text is a consumer's name: 1 to 63 of a-z, 0-9 and -, the first no -."""
    return _CONSUMER.fullmatch(name) is not None


def signing_key(secret: object) -> bytes:
    """Return the key's bytes. Raises ValueError, which never quotes the secret.

    The library would accept a placeholder, and an attacker could guess that key.
    """
    if not isinstance(secret, str) or not secret.startswith(PREFIX):
        raise ValueError(f"a signing secret must be a text that starts with {PREFIX}")
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"a signing secret must be base64 after {PREFIX}") from None
    if len(key) not in KEY_BYTES:
        raise ValueError("a signing secret must hold 24 to 64 bytes")
    return key
