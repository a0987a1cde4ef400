"""Bear a fault that passes: wait and repeat the step, for an hour at least (a refused key: 20 h).

The waits are the state machine's, so they cost nothing. The ledger keeps how long a call has failed
and what the run waits for. Any other failure, and one of the State table, is the state machine's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.errors import (
    Busy,
    CallFailed,
    OutcomeUnknown,
    RateLimited,
    TryLater,
    Unauthorized,
)
from codat_hub.errors import StepFailed
from codat_hub.migration.domain.run import MigrationStatus
from codat_hub.migration.usecases import stopping
from codat_hub.migration.usecases.context import StepResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.migration.domain.entry import LedgerEntry
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.ports import Ledger, MigrationCodat
    from codat_hub.migration.usecases.context import Command, StepContext

    type Step = Callable[[StepContext, Command], StepResult]

PREFIX: Final = "OUTAGE#"
WAITS: Final = "WAITS"  # the entry of the newest wait
OUTAGE: Final = timedelta(minutes=75)
BAD_KEY: Final = timedelta(hours=20)
_MORE: Final = timedelta(minutes=10)  # for another call, once one has failed for so long
_LEAST: Final = timedelta(minutes=2)  # however short the waits of a local stack are
_LONGEST_PAUSE: Final = timedelta(minutes=5)
_LONGEST_QUOTA: Final = timedelta(hours=25)  # past the next reset of the daily quota
_PASSES: Final = (TryLater, OutcomeUnknown, Busy, Unauthorized)
_STORE_KEY: Final = "store a good API key with tools/hub secrets set-api-key"


@dataclass(frozen=True, slots=True)
class Outage:
    """How long one call of a step has failed.

    call: its method and path; since: its first failure in a row; tries: failures in a row
    given_up: calls that failed for so long that they count as refused
    """

    call: str = ""
    since: datetime | None = None
    tries: int = 0
    given_up: tuple[str, ...] = ()

    def failed(self, call: str, now: datetime) -> Outage:
        """Return the outage after another failure. The time begins anew for another call."""
        if self.since is None or call != self.call:
            return replace(self, call=call, since=now, tries=1)
        return replace(self, tries=self.tries + 1)

    def pause(self) -> timedelta:
        """Return how long to wait before the next try: 2 s, doubling, five minutes at most."""
        return min(timedelta(seconds=2 ** min(self.tries, 9)), _LONGEST_PAUSE)


def bear(context: StepContext, command: Command, name: str, act: Step) -> StepResult:
    """Run a step. While Codat is away, refuses the key or the quota, answer `again`.

    name: names the step in the ledger; of a chunk, its phase

    Raises StepFailed once a call has failed for too long, and whatever the step raises.
    """
    entry = f"{PREFIX}{name}#{command.epoch}"
    if command.chunk is not None:
        entry += f"#{command.chunk.name}"
    known = _outage(context.ledger.entry(command.migration_id, entry))
    patient = context
    if known.given_up:
        patient = replace(context, codat=_given_up(context.codat, known.given_up))
    try:
        result = act(patient, command)
    except RateLimited as limited:
        return _wait_for_quota(context, command, entry, limited)
    except _PASSES as failure:
        if _name(failure) in known.given_up:  # it did not come by way of the patient client
            raise StepFailed(f"given up: {failure}") from failure
        return _wait(context, command, entry, known, failure)
    except StepFailed:
        _went_on(context, command, entry, known)
        raise
    _went_on(context, command, entry, known)
    return result


def codat_away(since: datetime, error: str) -> str:
    """Return the text for a wait until Codat takes a call again."""
    return f"Codat, since {since:%d %B %H:%M} UTC: {error}"


def waits_for(ledger: Ledger, run: MigrationRun) -> str | None:
    """Return what a run waits for other than a person, None if it waits for nothing."""
    stopped = run.status.final or run.status is MigrationStatus.ROLLBACK_INCOMPLETE
    if stopped or run.pause:
        return None
    return (ledger.entry(run.migration_id, WAITS).detail or {}).get("text")


def needs_key(ledger: Ledger, run: MigrationRun) -> bool:
    """Tell whether the run waits for an API key that Codat takes."""
    return (waits_for(ledger, run) or "").endswith(_STORE_KEY)


def _wait_for_quota(
    context: StepContext, command: Command, entry: str, limited: RateLimited
) -> StepResult:
    asked = _LONGEST_QUOTA if limited.retry_after is None else limited.retry_after
    wait = min(asked, _LONGEST_QUOTA)
    until = context.now() + wait
    text = f"Codat's quota, until {until:%d %B %H:%M} UTC: {limited}"
    if limited.held_back:
        text = f"room among the hub's other calls of Codat, until {until:%d %B %H:%M} UTC"
    say(context, command, entry, text)
    return StepResult("again", wait_seconds=max(1, int(wait.total_seconds()) + 1))


def _wait(
    context: StepContext, command: Command, entry: str, known: Outage, failure: CallFailed
) -> StepResult:
    now = context.now()
    outage = known.failed(_name(failure), now)
    since = outage.since or now
    if now - since >= _patience(context, outage, failure):
        return _give_up(context, command, entry, outage, failure)
    _save(context, command, entry, outage)
    what = codat_away(since, str(failure))
    if isinstance(failure, Unauthorized):
        what += f"; {_STORE_KEY}"
    say(context, command, entry, what)
    return StepResult("again", wait_seconds=context.limits.seconds(outage.pause()))


def _went_on(context: StepContext, command: Command, entry: str, known: Outage) -> None:
    """Forget an outage; a chunk's calls that were given up count as refused until its end."""
    after = Outage(given_up=known.given_up if command.chunk else ())
    if known != after:
        _save(context, command, entry, after)
    say(context, command, entry, None)


def _patience(context: StepContext, outage: Outage, failure: CallFailed) -> timedelta:
    if isinstance(failure, Unauthorized):
        patience = BAD_KEY
    else:
        patience = _MORE if outage.given_up else OUTAGE
    return max(patience * context.limits.wait_scale, _LEAST)


def _give_up(
    context: StepContext, command: Command, entry: str, outage: Outage, failure: CallFailed
) -> StepResult:
    """Count the call as refused from now on, which costs its company or fails the step.

    Raises StepFailed for a chunk beyond the tolerance, and stops the other chunks.
    """
    given_up = (*outage.given_up, outage.call)
    _save(context, command, entry, Outage(given_up=given_up))
    say(context, command, entry, None)
    if command.chunk is not None:
        tolerated = stopping.tolerated(context.run(command))
        if isinstance(failure, Unauthorized) or len(given_up) > tolerated:
            stopping.stop(context, command, entry.removeprefix(PREFIX).partition("#")[0])
            raise StepFailed(f"given up: {failure}") from failure
    return StepResult("again")


def _given_up(codat: MigrationCodat, calls: tuple[str, ...]) -> Any:
    """Return Codat whose failures of these calls are refusals."""

    class GivenUp:
        def __getattr__(self, name: str) -> Any:
            method = getattr(codat, name)

            def refusing(*args: Any) -> Any:
                try:
                    return method(*args)
                except _PASSES as failure:
                    if _name(failure) in calls:
                        raise StepFailed(f"given up: {failure}") from failure
                    raise

            return refusing

    return GivenUp()


def _name(failure: CallFailed) -> str:
    return failure.call or "the API key"  # without a key there is no call


def end_waits(context: StepContext, command: Command) -> None:
    """End every wait: a chunk that was stopped ends none of its own."""
    context.note(command, WAITS, lambda entry: replace(entry, detail=None))


def _outage(entry: LedgerEntry) -> Outage:
    if entry.detail is None:
        return Outage()
    since, given_up = entry.detail["since"], tuple(entry.detail["given_up"])
    known = {**entry.detail, "since": since and datetime.fromisoformat(since)}
    return Outage(**{**known, "given_up": given_up})


def _save(context: StepContext, command: Command, entry: str, outage: Outage) -> None:
    facts = asdict(outage)
    context.note(command, entry, lambda known: replace(known, detail=facts))


def say(context: StepContext, command: Command, entry: str, text: str | None) -> None:
    """Save what the run waits for. None ends this wait, and no other; `entry` names it."""
    known = context.ledger.entry(command.migration_id, WAITS).detail
    if text is not None or (known and known["text"] and known["step"] == entry):
        facts = {"step": entry, "text": text}
        context.note(command, WAITS, lambda entry: replace(entry, detail=facts))
