"""The first answer to an idempotency key is replayed for 90 minutes (docs/codat.md, C16)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tools.sandbox.requests.errors import CodatError

LIFE: Final = timedelta(minutes=90)
METHODS: Final = frozenset({"POST", "PATCH"})


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer as it was sent, without the headers that every answer has."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class KeyEntry:
    """The request of a key, and its answer once it has one; `expires` in sandbox time."""

    fingerprint: str
    expires: datetime
    answer: KeptAnswer | None = None


class IdempotencyKeys:
    """All keys in use; every answer but a 429 is kept, a 400 or 5xx too."""

    def __init__(self, entries: dict[str, KeyEntry]) -> None:
        self.entries = entries

    def begin(self, key: str, fingerprint: str, now: datetime) -> KeptAnswer | None:
        """Return the kept answer; None means that the request is carried out now."""
        self._expire(now)
        known = self.entries.get(key)
        if known is None:
            self.entries[key] = KeyEntry(fingerprint, now + LIFE)
            return None
        if known.fingerprint != fingerprint:
            raise CodatError(
                422, "This Idempotency-Key was already used with a different request body."
            )
        if known.answer is None:
            raise CodatError(409, "A request with this Idempotency-Key is already being processed.")
        return known.answer

    def finish(self, key: str, answer: KeptAnswer, now: datetime) -> None:
        """Keep the answer; a 429 is not kept and frees the key."""
        if answer.status == 429:
            self.entries.pop(key, None)
        elif entry := self.entries.pop(key, None):
            entry.answer, entry.expires = answer, now + LIFE
            self.entries[key] = entry  # at the end: the dict is in order of expiry

    def abandon(self, key: str) -> None:
        """Free the key of a request that was never carried out."""
        self.entries.pop(key, None)

    def _expire(self, now: datetime) -> None:
        while self.entries and next(iter(self.entries.values())).expires <= now:
            del self.entries[next(iter(self.entries))]
