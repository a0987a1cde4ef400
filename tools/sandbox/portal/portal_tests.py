"""The calls of /_sandbox for tests only: faults, clock, limits, requests, state."""

import re
from typing import Any, Final

from tools.sandbox.http import faulty
from tools.sandbox.portal.contract import BadInput, ClockSpeed, FaultRequest, QuotaChange
from tools.sandbox.portal.portal import Portal
from tools.sandbox.requests import rate_limits
from tools.sandbox.requests.faults import Fault, Reset
from tools.sandbox.runtime import Sandbox
from tools.sandbox.world.moments import codat_date

portal = Portal()

_LONGEST_NUMBER: Final = 18


@portal.get("/health")
def health(sandbox: Sandbox, _: dict[str, str]) -> dict[str, Any]:
    """Tell that it runs, its time and speed, and how many reads run."""
    return {
        "status": "ok",
        "time": codat_date(sandbox.world.now),
        "speed": sandbox.clock.speed,
        "reads": sum(len(company.reads) for company in sandbox.world.state.companies.values()),
    }


@portal.post("/reset")
def reset(sandbox: Sandbox, _: dict[str, str]) -> dict[str, Any]:
    """Return companies, consumers, deliveries, faults, requests and clock to the seed."""
    sandbox.reset()
    return {"status": "ok"}


@portal.post("/clock")
def clock(sandbox: Sandbox, _: dict[str, str], wanted: ClockSpeed) -> dict[str, Any]:
    """Let sandbox time run faster or slower from now on, or jump ahead."""
    if wanted.speed is None and not wanted.advance_seconds:
        raise BadInput("speed", None, "at least one of speed, advanceSeconds")
    if wanted.speed is not None:
        sandbox.clock.run_at(wanted.speed)
    sandbox.clock.leap(wanted.advance_seconds)
    sandbox.tick()
    return health(sandbox, {})


@portal.post("/faults")
def add_fault(sandbox: Sandbox, _: dict[str, str], wanted: FaultRequest) -> dict[str, Any]:
    """Make the next requests that match go wrong."""
    try:
        path = re.compile(wanted.path)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadInput("path", wanted.path, f"a regular expression ({error})") from None
    _refuse_contradictions(wanted)
    fault = Fault(
        method=wanted.method,
        path=path,
        times=wanted.times,
        status=wanted.status,
        body=wanted.body,
        headers=wanted.headers,
        latency_seconds=wanted.latency_seconds,
        reset=_reset(wanted.reset),
    )
    sandbox.faults.waiting.append(fault)
    return {"waiting": len(sandbox.faults.waiting)}


@portal.get("/faults")
def list_faults(sandbox: Sandbox, _: dict[str, str]) -> list[dict[str, Any]]:
    """List the faults that are still waiting."""
    return [
        {"method": fault.method, "path": fault.path.pattern, "times": fault.times}
        for fault in sandbox.faults.waiting
    ]


@portal.delete("/faults")
def clear_faults(sandbox: Sandbox, _: dict[str, str]) -> dict[str, Any]:
    """Forget all faults that still wait."""
    sandbox.faults.waiting.clear()
    return {"waiting": 0}


@portal.get("/requests")
def requests(sandbox: Sandbox, query: dict[str, str]) -> list[dict[str, Any]]:
    """List the API requests with an `n` greater than `since` (default: every kept request)."""
    since = query.get("since", "0")
    if not since.isdecimal() or len(since) > _LONGEST_NUMBER:
        raise BadInput("since", since, "the `n` of a request, a whole number")
    return sandbox.requests.after(int(since))


@portal.delete("/requests")
def clear_requests(sandbox: Sandbox, _: dict[str, str]) -> dict[str, Any]:
    """Forget the requests so far; their numbers continue."""
    sandbox.requests.clear()
    return {"status": "ok"}


@portal.get("/quota")
def quota(sandbox: Sandbox, _: dict[str, str]) -> dict[str, Any]:
    """Show the daily quota as the API's headers do."""
    state = sandbox.world.state
    return {
        "dailyQuota": rate_limits.daily_quota(state),
        "remaining": rate_limits.remaining(state),
        "resets": codat_date(rate_limits.next_reset(sandbox.world.now)),
        "reached": state.quota.reached,
    }


@portal.post("/quota")
def change_quota(sandbox: Sandbox, _: dict[str, str], wanted: QuotaChange) -> dict[str, Any]:
    """Set quota and remainder; 0 left sends `reached`, and `reset` sends `reset` after it."""
    state = sandbox.world.state
    if "daily_quota" in wanted.model_fields_set:
        rate_limits.set_daily(sandbox.world, wanted.daily_quota)
    if wanted.remaining is not None:
        rate_limits.leave(sandbox.world, wanted.remaining)
    if wanted.retry_after:
        state.quota.retry_after_as_date = wanted.retry_after == "date"
    if wanted.reset:
        rate_limits.reset(sandbox.world)
    return quota(sandbox, {})


def _refuse_contradictions(wanted: FaultRequest) -> None:
    if not (wanted.status or wanted.headers or wanted.latency_seconds or wanted.reset):
        raise BadInput("status", None, "at least one of status, headers, latencySeconds, reset")
    if wanted.body is not None and wanted.status is None:
        raise BadInput("body", wanted.body, "only with a status")
    if wanted.body and wanted.status in faulty.BODILESS:
        raise BadInput("body", wanted.body, f"none with status {wanted.status}")


def _reset(wanted: bool | str) -> Reset | None:
    if not wanted:
        return None
    return Reset.AFTER if wanted == "after" else Reset.BEFORE
