"""The `Idempotency-Key` of the next call (docs/codat.md, C16, C17).

Codat keeps the first answer to a key for 90 minutes and replays it: 400, 409, 422 and 5xx too. A
429 is not kept and frees the key. So a retry after an answer needs a fresh key, because the old one
would only replay that answer. A call without an answer is repeated with the same key: that shows
the first outcome, and nothing happens twice. An answer that nobody understands would be replayed
too, so the key is fresh, and an event may show that the call was accepted.

The caller, around each call:

1. Make `plan = plan_key(held, now, new_id)` and persist `plan.key`.
2. If `plan.unresolved_since` is set, look first whether an event since then shows that the earlier
   call was accepted.
3. Call, then persist `key_after(plan, failure)` (None: nothing to hold).

A process that dies in between leaves `plan.key` as `held`, and the next call repeats it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, assert_never

from codat_hub.codat.errors import CallFailed, NotUnderstood, OutcomeUnknown, RateLimited

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

REMEMBERED_FOR: Final = timedelta(minutes=90)
TRUSTED_FOR: Final = timedelta(minutes=85)  # leaves 5 minutes for a slow call and two clocks


class Fate(Enum):
    """The effect of a call on its key."""

    SPENT = auto()  # Codat has an answer to it and would replay that
    FREE = auto()  # Codat keeps nothing of this call
    OPEN = auto()  # the call may have happened, and Codat may know its answer
    UNREAD = auto()  # an answer came that does not show whether the call happened


@dataclass(frozen=True, slots=True)
class HeldKey:
    """The key to hold between two calls of one request; times are aware.

    value: the key to use again; None: the next call takes a fresh one
    open_since: the time of the first call with this key, if its outcome is unknown
    unresolved_since: the same for an older key, which Codat may have forgotten
    """

    value: str | None
    open_since: datetime | None = None
    unresolved_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """The key to send (`value`), to persist first (`key`), and the earlier one (`before`)."""

    value: str
    key: HeldKey
    before: HeldKey | None

    @property
    def unresolved_since(self) -> datetime | None:
        """The time since when an event may show that the request is done; None: no event can."""
        return self.key.unresolved_since


def plan_key(held: HeldKey | None, now: datetime, new_id: Callable[[], str]) -> KeyPlan:
    """Return the key for a call at `now` (aware): the held one, or a fresh one.

    After 85 minutes Codat may have forgotten the first answer, so the held key no longer protects.
    Then the key is fresh, and the old call is unresolved.
    """
    unresolved = held.unresolved_since if held else None
    if held and held.value:
        since = held.open_since or now
        if now - since <= TRUSTED_FOR:
            return KeyPlan(held.value, HeldKey(held.value, since, unresolved), held)
        unresolved = unresolved or since
    value = new_id()
    return KeyPlan(value, HeldKey(value, now, unresolved), held)


def key_after(plan: KeyPlan, failure: CallFailed | None) -> HeldKey | None:
    """Return the key to hold after the call (`failure` None: it succeeded)."""
    unresolved = plan.key.unresolved_since
    match fate(failure):
        case Fate.SPENT if failure is None or unresolved is None:
            return None
        case Fate.SPENT:
            return HeldKey(None, None, unresolved)
        case Fate.OPEN:
            return plan.key
        case Fate.UNREAD:
            return HeldKey(None, None, unresolved or plan.key.open_since)
        case Fate.FREE:
            repeated = plan.before if plan.before and plan.before.value == plan.value else None
            return HeldKey(plan.value, repeated.open_since if repeated else None, unresolved)
        case unknown:
            assert_never(unknown)


def fate(failure: CallFailed | None) -> Fate:
    """Return the effect of a call's outcome (None: it succeeded) on its key."""
    match failure:
        case NotUnderstood() if failure.status is not None:
            return Fate.UNREAD
        case OutcomeUnknown() | NotUnderstood():
            return Fate.OPEN
        case RateLimited() | CallFailed(status=None):
            return Fate.FREE
        case _:
            return Fate.SPENT
