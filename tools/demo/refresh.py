"""Scene: Codat is reading a company; a refresh waits and is sent when that read ends."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tools.cli.api import ControlApi, connected
from tools.demo.hub import Hub, wait_until
from tools.demo.story import Scene, Story

type Json = dict[str, Any]

_PRODUCT: Final = "invoice-finance"
_OVER: Final = {"completed", "failed", "cancelled"}


def play(story: Story, hub: Hub) -> None:
    stack, credentials = hub.stack, hub.local.emulator.credentials()
    with (
        story.scene("a refresh waits for a busy company and is woken") as scene,
        connected(stack["api_url"], credentials, stack["region"]) as api,
    ):
        _run(scene, hub, api)


def _run(scene: Scene, hub: Hub, api: ControlApi) -> None:
    company = _linked_company(hub)
    reading = {"companyId": company, "productIdentifier": _PRODUCT}
    hub.codat("POST", "/_sandbox/reads/start", reading)
    path = f"companies/{company}/products/{_PRODUCT}/refresh"
    asked = api.post(path)
    scene.expect("the refresh is sent at once", asked["status"] == "sent")

    busy = _until(scene, hub, api, path, {"busy"})
    started = datetime.now(UTC)
    scene.expect("while Codat reads, it is busy, not failed", busy["status"] == "busy")
    scene.expect("the ticket says why", bool(busy["error"] and busy["error"]["message"]))

    hub.codat("POST", "/_sandbox/reads/complete", reading)
    done = _until(scene, hub, api, path, _OVER)
    scene.expect(
        "the end of that read wakes it, its own read completes it", done["status"] == "completed"
    )
    accepted = done["accepted_at"] and datetime.fromisoformat(done["accepted_at"])
    backoff = datetime.fromisoformat(busy["next_attempt_at"])
    # the backoff is random, up to two minutes; a very short backoff proves nothing
    if not accepted or backoff - started > timedelta(seconds=30):
        scene.expect("it does not wait for the backoff", bool(accepted) and accepted < backoff)
    scene.expect(
        "Codat refuses the first call and accepts the second", _calls(hub, company) == [400, 202]
    )


def _until(scene: Scene, hub: Hub, api: ControlApi, path: str, statuses: set[str]) -> Json:
    """Wait until the refresh has one of these statuses; show Codat's answers meanwhile."""
    seen: list[Json] = []

    def reached() -> bool:
        seen.append(api.get(path))
        scene.answers = Counter(_calls(hub, seen[-1]["company_id"]))
        return seen[-1]["status"] in statuses

    wait_until(reached, seconds=30)
    return seen[-1]


def _calls(hub: Hub, company: str) -> list[int]:
    """Return Codat's answers to the company's refreshes, in order."""
    requests = hub.codat("GET", "/_sandbox/requests")
    path = f"/companies/{company}/products/{_PRODUCT}/refresh"
    return [request["status"] or 0 for request in requests if request["path"] == path]


def _linked_company(hub: Hub) -> str:
    """Find a linked company that has no other custom product, so no other scene refreshes it."""
    for company in hub.codat("GET", "/companies?pageSize=100")["results"]:
        linked = any(connection["status"] == "Linked" for connection in company["dataConnections"])
        if linked and {*company["products"]} == {"lending", _PRODUCT}:
            return str(company["id"])
    raise LookupError("no company has just that product")
