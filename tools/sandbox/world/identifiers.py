"""Ids repeat for the same seed, so that a simulation can be run again."""

import random
import string
import uuid

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Identifiers:
    """One stream of ids and random numbers per name."""

    def __init__(self, name: str) -> None:
        self.rng = random.Random(name)

    def uuid(self) -> str:
        """Return a random UUID (version 4)."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def message_id(self) -> str:
        """Return a webhook-id in Svix's form: `msg_` and 27 characters."""
        return "msg_" + "".join(self.rng.choices(_BASE62, k=27))

    def bytes(self, count: int) -> bytes:
        """Return `count` random bytes, for a sandbox's secrets, not for real ones."""
        return self.rng.randbytes(count)
