"""A refresh asked for now meets a company that Codat reads already: it goes when that read ends."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tools.cli.api import ControlApi, connected
from tools.demo.hub import Hub, wait_until
from tools.demo.story import Scene, Story

type Json = dict[str, Any]

_PRODUCT: Final = "invoice-finance"
_OVER: Final = {"completed", "failed", "cancelled"}


def tell(story: Story, hub: Hub) -> None:
    stack, credentials = hub.stack, hub.local.emulator.credentials()
    with (
        story.scene("a refresh waits for a busy company, and is woken") as scene,
        connected(stack["api_url"], credentials, stack["region"]) as api,
    ):
        _play(scene, hub, api)


def _play(scene: Scene, hub: Hub, api: ControlApi) -> None:
    company = _linked_company(hub)
    reading = {"companyId": company, "productIdentifier": _PRODUCT}
    hub.codat("POST", "/_sandbox/reads/start", reading)
    path = f"companies/{company}/products/{_PRODUCT}/refresh"
    asked = api.post(path)
    scene.expect("asked for, it is on its way at once", asked["status"] == "sent")

    busy = _until(scene, hub, api, path, {"busy"})
    begun = datetime.now(UTC)
    scene.expect("Codat is reading: busy, not failed", busy["status"] == "busy")
    scene.expect("the ticket says why", bool(busy["error"] and busy["error"]["message"]))

    hub.codat("POST", "/_sandbox/reads/complete", reading)
    done = _until(scene, hub, api, path, _OVER)
    scene.expect(
        "that read's webhook wakes it, its own completes it", done["status"] == "completed"
    )
    accepted = done["accepted_at"] and datetime.fromisoformat(done["accepted_at"])
    backoff = datetime.fromisoformat(busy["next_attempt_at"])
    # a backoff is drawn from nothing to two minutes: one next to nothing would show nothing
    if not accepted or backoff - begun > timedelta(seconds=30):
        scene.expect("it waited for no backoff", bool(accepted) and accepted < backoff)
    scene.expect("two calls: one refused, one accepted", _calls(hub, company) == [400, 202])


def _until(scene: Scene, hub: Hub, api: ControlApi, path: str, statuses: set[str]) -> Json:
    """Wait until the refresh is in one of these; show Codat's answers on the way."""
    seen: list[Json] = []

    def there() -> bool:
        seen.append(api.get(path))
        scene.answers = Counter(_calls(hub, seen[-1]["company_id"]))
        return seen[-1]["status"] in statuses

    wait_until(there, seconds=30)
    return seen[-1]


def _calls(hub: Hub, company: str) -> list[int]:
    """Return how Codat answered the company's refreshes, in order."""
    requests = hub.codat("GET", "/_sandbox/requests")
    path = f"/companies/{company}/products/{_PRODUCT}/refresh"
    return [one["status"] or 0 for one in requests if one["path"] == path]


def _linked_company(hub: Hub) -> str:
    """Find a company with the product alone of the custom ones: no other scene refreshes it."""
    for company in hub.codat("GET", "/companies?pageSize=100")["results"]:
        linked = any(one["status"] == "Linked" for one in company["dataConnections"])
        if linked and {*company["products"]} == {"lending", _PRODUCT}:
            return str(company["id"])
    raise LookupError("no company has just that product")
