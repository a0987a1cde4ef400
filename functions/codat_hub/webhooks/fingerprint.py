"""A fingerprint identifies a secret where the secret itself must not be shown."""

import hashlib


def fingerprint(secret: str) -> str:
    """Return eight hexadecimal characters that identify a secret and do not reveal it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]
