"""Which `Idempotency-Key` the next call carries (docs/codat.md, C16, C17).

Codat keeps the first answer to a key for 90 minutes and replays it, whatever it was: 400, 409,
422 and 5xx too. A 429 is not kept and frees the key. So an answer that is to be tried again needs
a fresh key (the old one would only replay it), and a call without an answer needs the same key
(so that what we learn is the first outcome, and nothing happens twice).

The caller, around each call:

1. `plan = plan_key(held, now, new_id)`, then persist `plan.key` before the call;
2. when `plan.unresolved_since` is set, first look whether a read event newer than it shows that
   the earlier call was accepted after all;
3. call; then persist `key_after(plan, failure)` with the outcome (None: nothing to hold).

A process that dies in between leaves `plan.key` behind as `held`, and the next call repeats it.
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
    """What a call did to its key."""

    SPENT = auto()  # Codat has an answer to it, and would only replay that
    FREE = auto()  # Codat keeps nothing of this call
    OPEN = auto()  # the call may have happened, and Codat may know its answer


@dataclass(frozen=True, slots=True)
class HeldKey:
    """What to remember between two calls of one request; times are aware.

    value: the key to use again; None when the next call takes a fresh one
    open_since: when the first call with this key left whose outcome is unknown
    unresolved_since: the same of an older key that Codat may have forgotten meanwhile
    """

    value: str | None
    open_since: datetime | None = None
    unresolved_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """What to send now (`value`), what to persist first (`key`), what was held (`before`)."""

    value: str
    key: HeldKey
    before: HeldKey | None

    @property
    def unresolved_since(self) -> datetime | None:
        """Look at the read events since then before calling: the request may be done already."""
        return self.key.unresolved_since


def plan_key(held: HeldKey | None, now: datetime, new_id: Callable[[], str]) -> KeyPlan:
    """The key for a call that leaves at `now` (aware); a fresh one when nothing usable is held.

    Past 85 minutes Codat may have forgotten the first answer, so the same key would no longer
    protect: then the key is fresh and the old call is reported as unresolved.
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
    """What to hold after the call (`failure` None: it succeeded) for the next of its request."""
    unresolved = plan.key.unresolved_since
    match fate(failure):
        case Fate.SPENT if failure is None or unresolved is None:
            return None
        case Fate.SPENT:
            return HeldKey(None, None, unresolved)
        case Fate.OPEN:
            return plan.key
        case Fate.FREE:
            repeated = plan.before if plan.before and plan.before.value == plan.value else None
            return HeldKey(plan.value, repeated.open_since if repeated else None, unresolved)
        case unknown:
            assert_never(unknown)


def fate(failure: CallFailed | None) -> Fate:
    """What the outcome of a call (None: it succeeded) did to its key."""
    match failure:
        case OutcomeUnknown() | NotUnderstood():
            return Fate.OPEN
        case RateLimited() | CallFailed(status=None):
            return Fate.FREE
        case _:
            return Fate.SPENT
