"""Send a POST with an idempotency key that is in the ledger before the call.

The key is fresh after every answer but a 429, because Codat replays an answer for 90 minutes, 5xx
too (docs/codat.md, C16). It is kept while no answer came, so that nothing happens twice.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.domain.idempotency import HeldKey, key_after, plan_key
from codat_hub.codat.errors import CallFailed
from codat_hub.migration.usecases.context import call_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.codat.domain.idempotency import KeyPlan
    from codat_hub.migration.domain.entry import LedgerEntry
    from codat_hub.migration.usecases.context import Command, StepContext

PREFIX: Final = "KEY#"
_IN_FLIGHT: Final = timedelta(minutes=2)  # a 409 after this time is Codat's answer, so it replays


def post[T](context: StepContext, command: Command, change: str, send: Callable[[str], T]) -> T:
    """Return what `send` returns; it gets the key. Raises what it raises.

    change: names the POST in the ledger; every try of the same change has the same name
    """
    name = f"{PREFIX}{change}"
    held = _held(context.ledger.entry(command.migration_id, name))
    # The version before derived its keys, and a run of it may wait for an answer to this one.
    first = call_key(command, change)
    fresh = (lambda: first) if held is None else (lambda: str(uuid.uuid4()))
    plan = plan_key(held, context.now(), fresh)
    context.note(command, name, lambda entry: _holding(entry, plan.key))
    try:
        result = send(plan.value)
    except CallFailed as failure:
        after = _after(plan, failure, context.now())
        context.note(command, name, lambda entry: _holding(entry, after))
        raise
    context.note(command, name, lambda entry: _holding(entry, None))
    return result


def _after(plan: KeyPlan, failure: CallFailed, now: datetime) -> HeldKey | None:
    since = plan.key.open_since or now
    if failure.status == 409 and now - since >= _IN_FLIGHT:
        return None
    return key_after(plan, failure)


def _held(entry: LedgerEntry) -> HeldKey | None:
    """Return the key that the ledger holds, None before the first call."""
    if entry.detail is None:
        return None
    times = {
        name: entry.detail[name] and datetime.fromisoformat(entry.detail[name])
        for name in ("open_since", "unresolved_since")
    }
    return HeldKey(entry.detail["value"], **times)


def _holding(entry: LedgerEntry, key: HeldKey | None) -> LedgerEntry:
    facts: dict[str, Any] = asdict(key or HeldKey(None))
    return replace(entry, detail=facts)
