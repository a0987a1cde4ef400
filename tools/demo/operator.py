"""The person whom a migration waits for: at the sandbox's Portal, and at the control API."""

from typing import Any, Final

from tools.cli.api import ControlApi
from tools.demo.hub import Hub, wait_until
from tools.demo.story import Scene

type Json = dict[str, Any]

_OVER: Final = {"planned", "complete", "rolled_back", "rollback_incomplete", "failed"}
_LONGEST: Final = 180.0  # seconds, of one run: far more than it takes
_BETWEEN: Final = 0.3  # seconds: looking more often would only slow the stack down
_IN_THE_GAP: Final[Json] = {
    "referenceCompany": {"id": "5b0f9c1e-7a54-4d0c-9f35-2f7d3f7c1a10", "name": "Missed Ltd"},
    "connection": {
        "id": "d3c1a6f2-0b7e-4e3a-8a4f-6c2e9b5d7f01",
        "status": "PendingAuth",
        "integrationKey": "gbol",
        "sourceType": "Accounting",
    },
}


class Operator:
    """Does what the instructions say, and no more. `missed`: what came while nobody listened."""

    def __init__(self, hub: Hub, api: ControlApi) -> None:
        self.missed: str | None = None  # its webhook-id
        self._hub = hub
        self._api = api
        self._done: set[str] = set()

    def migrate(self, scene: Scene, **asked: Any) -> Json:
        """Start a migration and see it through; return how it ended."""
        started = self._api.post("migrations", {"webhooks": "portal", **asked})
        return self._see_through(scene, started["migration_id"])

    def go_back(self, scene: Scene, migration: str) -> Json:
        self._api.post(f"migrations/{migration}/rollback", {"forced": False})
        return self._see_through(scene, migration)

    def replay_missed(self, migration: str) -> None:
        """Have the Portal send again, to each new consumer, what came while nobody listened."""
        since = self._api.get(f"migrations/{migration}/report")["replay_missed"]["from"]
        for one in self._hub.codat("GET", "/webhooks")["results"]:
            if migration in one["url"]:
                self._hub.codat("POST", f"/_sandbox/webhooks/{one['id']}/replay", {"since": since})

    def _see_through(self, scene: Scene, migration: str) -> Json:
        """Answer every wait until it is over, with the step behind the scene's title."""
        title = scene.title
        found: Json = {}

        def over() -> bool:
            found.update(self._api.get(f"migrations/{migration}"))
            scene.title = f"{title}: {found['step'].replace('_', ' ')}"
            if found["waiting_for"] and found["waiting_since"] not in self._done:
                self._act(f"migrations/{migration}", found["waiting_for"], found["instructions"])
                self._done.add(found["waiting_since"])
            return found["status"] in _OVER

        wait_until(over, _LONGEST, every=_BETWEEN)
        scene.title = title
        return found

    def _act(self, migration: str, waiting_for: str, instructions: list[str]) -> None:
        consumers = [line.split()[0] for line in instructions if "http" in line]
        match waiting_for:
            case "approval":
                self._api.post(f"{migration}/approve")
            case "webhooks_disabled":
                self._switch(consumers, "disable")
                self.missed = self._hub.emit("connection.created", _IN_THE_GAP)
                self._api.post(f"{migration}/confirm-webhooks-disabled")
            case "signing_secret":
                for one in consumers:
                    shown = self._hub.codat("GET", f"/_sandbox/webhooks/{one}/secret")
                    body = {"consumer_id": one, "secret": shown["secrets"][0]}
                    self._api.post(f"{migration}/confirm-secret", body)
            case "webhooks_restored":
                self._switch(consumers, "enable")
                self._api.post(f"{migration}/confirm-webhooks-restored")

    def _switch(self, consumers: list[str], how: str) -> None:
        for one in consumers:
            self._hub.codat("POST", f"/_sandbox/webhooks/{one}/{how}")
