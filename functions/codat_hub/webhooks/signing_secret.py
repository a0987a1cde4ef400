"""What a webhook consumer's name and its signing secret look like.

By Standard Webhooks: `whsec_` and the base64 of 24 to 64 bytes (docs/codat.md, C40).
"""

import base64
import binascii
import re
from typing import Final

PREFIX: Final = "whsec_"
KEY_BYTES: Final = range(24, 65)
_CONSUMER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def is_consumer(name: str) -> bool:
    """Tell whether a text can be the last part of a webhook URL: 1 to 63 of a-z, 0-9 and -."""
    return _CONSUMER.fullmatch(name) is not None


def signing_key(secret: object) -> bytes:
    """Return the key's bytes. Raises ValueError, never quoting the secret.

    Strict where the library is lenient: a placeholder must not become a key that can be guessed.
    """
    if not isinstance(secret, str) or not secret.startswith(PREFIX):
        raise ValueError(f"a signing secret is a text that begins with {PREFIX}")
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows {PREFIX} in a signing secret is base64") from None
    if len(key) not in KEY_BYTES:
        raise ValueError("a signing secret holds 24 to 64 bytes")
    return key
