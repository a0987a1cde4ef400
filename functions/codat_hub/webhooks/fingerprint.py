"""How secrets are told apart where they must not be shown."""

import hashlib


def fingerprint(secret: str) -> str:
    """Return eight characters that tell secrets apart and reveal nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]
