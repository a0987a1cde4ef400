"""Idempotency keys: the first answer is replayed for 90 minutes (docs/codat.md, C16)."""

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
    """What one key was used for, and its answer once there is one; `expires` in sandbox time."""

    fingerprint: str
    expires: datetime
    answer: KeptAnswer | None = None


class IdempotencyKeys:
    """All keys in use. Everything but 429 is kept, also 400 and 5xx."""

    def __init__(self, entries: dict[str, KeyEntry]) -> None:
        self.entries = entries

    def begin(self, key: str, fingerprint: str, now: datetime) -> KeptAnswer | None:
        """The kept answer, or None if the request is to be carried out now."""
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
        """Keep the answer; a 429 is not kept and sets the key free."""
        if answer.status == 429:
            self.entries.pop(key, None)
        elif entry := self.entries.pop(key, None):
            entry.answer, entry.expires = answer, now + LIFE
            self.entries[key] = entry  # at the end again: the dict is in order of expiry

    def abandon(self, key: str) -> None:
        """The request was never carried out: the key is free again."""
        self.entries.pop(key, None)

    def _expire(self, now: datetime) -> None:
        while self.entries and next(iter(self.entries.values())).expires <= now:
            del self.entries[next(iter(self.entries))]
