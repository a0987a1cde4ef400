"""The move to product-level settings, a person at the Portal: planned, done, and undone again."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tools.cli.api import connected
from tools.cli.terminal.output import words
from tools.demo.hub import Hub, wait_until
from tools.demo.products import Team
from tools.demo.story import Scene, Story
from tools.example_consumer.consumer import Consumer
from tools.local.codat import codat_client
from tools.local.migrating import Operator

type Json = dict[str, Any]

_PRODUCT: Final = "cashflow-insights"
_EVENT: Final = f"{_PRODUCT}.read.completed"
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
_SEEDED: Final = "internal ref"  # how the sandbox describes the companies that it begins with


@dataclass(frozen=True)
class _Client:
    """What a rollback has to restore: settings and webhooks as the bytes that Codat answers."""

    settings: bytes
    own_settings: dict[str, bytes]
    webhooks: bytes
    products: dict[str, list[str]]

    @property
    def consumers(self) -> dict[str, Json]:
        return {one["id"]: one for one in json.loads(self.webhooks)["results"]}

    @property
    def schedules(self) -> list[int]:
        """Return the hours of every schedule that counts, the client's and the companies'."""
        levels = map(json.loads, (self.settings, *self.own_settings.values()))
        return [
            one["syncSchedule"]
            for level in levels
            if level["overridesDefaults"]
            for one in level["settings"]
        ]


@dataclass(frozen=True)
class _Stage:
    """Whom and what the scenes need. `in_the_gap`: webhook-ids of what came in it, oldest first."""

    hub: Hub
    codat: httpx.Client
    operator: Operator
    team: Team
    in_the_gap: list[str] = field(default_factory=list)

    def see_through(self, scene: Scene, migration: str) -> Json:
        """Answer every wait until it is over, with the step behind the scene's title."""
        title = scene.title

        def look(found: Json) -> None:
            scene.title = f"{title}: {words(found['step'])}"

        try:
            return self.operator.see_through(migration, _LONGEST, look)
        finally:
            scene.title = title

    def something_happens(self) -> None:
        self.in_the_gap.append(self.hub.emit("connection.created", _IN_THE_GAP))

    def client(self) -> _Client:
        """Look at Codat's side as it is now."""
        companies = self.companies()
        return _Client(
            self._read("/profile/syncSettings"),
            {one: self._read(f"/companies/{one}/syncSettings") for one in companies},
            self._read("/webhooks"),
            {name: sorted(one["products"]) for name, one in companies.items()},
        )

    def companies(self) -> dict[str, Json]:
        found = json.loads(self._read("/companies?pageSize=100"))["results"]
        return {one["id"]: one for one in found}

    def _read(self, path: str) -> bytes:
        return self.codat.get(path).raise_for_status().content


def tell(story: Story, hub: Hub) -> None:
    """Comes last: it takes in every company, and changes which webhooks there are."""
    stack, credentials = hub.stack, hub.local.emulator.credentials()
    about = {"url": stack["sandbox_url"], "api_key": stack["codat_api_key"]}
    with (
        connected(stack["api_url"], credentials, stack["region"]) as api,
        codat_client(about) as codat,
    ):
        team = Team(hub, _PRODUCT, Consumer(codat))
        operator = Operator(api, codat, poll=_BETWEEN)
        stage = _Stage(hub, codat, operator, team)
        operator.in_the_gap = stage.something_happens
        done: tuple[str, _Client] | None = None
        with story.scene("a client migrates, by hand in the Portal") as scene:
            done = _there(scene, stage)
        with story.scene("and all the way back") as scene:
            if done:
                _back(scene, stage, *done)


def _there(scene: Scene, stage: _Stage) -> tuple[str, _Client]:
    """Plan and migrate; return the migration and what was there before it."""
    _as_before_a_migration(stage)
    before = stage.client()
    _plan(scene, stage, before)
    migration = _migrate(scene, stage, before)
    _events_arrive(scene, stage, before)
    _nothing_is_lost(scene, stage, migration)
    return migration, before


def _back(scene: Scene, stage: _Stage, migration: str, before: _Client) -> None:
    stage.operator.rollback(migration)
    back = stage.see_through(scene, migration)
    scene.expect("it is rolled back", back["status"] == "rolled_back")
    scene.expect("Codat's side is as it was, to the byte", stage.client() == before)


def _as_before_a_migration(stage: _Stage) -> None:
    """Take the product's webhook away: under client-level settings nobody has one yet."""
    for one in stage.client().consumers.values():
        if one["eventTypes"] == [_EVENT]:
            stage.hub.codat("DELETE", f"/webhooks/{one['id']}")


def _plan(scene: Scene, stage: _Stage, before: _Client) -> None:
    planned = stage.see_through(scene, stage.operator.start([_PRODUCT], "portal", dry_run=True))
    scene.expect("a dry run ends with its plan", planned["status"] == "planned")
    scene.expect("and changes nothing at Codat", stage.client() == before)


def _migrate(scene: Scene, stage: _Stage, before: _Client) -> str:
    done = stage.see_through(scene, stage.operator.start([_PRODUCT], "portal"))
    scene.expect("the migration is complete", done["status"] == "complete")
    now = stage.client()
    scene.expect("every schedule is off", {*before.schedules} != {0} == {*now.schedules})
    old = [one["id"] for one in before.consumers.values() if "read.completed" in one["eventTypes"]]
    off = [now.consumers[one]["disabled"] for one in old]
    scene.expect("the old webhook is off", bool(off) and all(off))
    agreed = [
        name
        for name, one in stage.companies().items()
        if (one.get("description") or "").startswith(_SEEDED)
    ]
    scene.expect(
        "every company that agreed has the product",
        bool(agreed) and all(_PRODUCT in now.products[one] for one in agreed),
    )
    return str(done["migration_id"])


def _events_arrive(scene: Scene, stage: _Stage, before: _Client) -> None:
    """Look for the product's events on their way by the consumer that the migration made."""
    hub, now = stage.hub, stage.client().consumers
    made = [one["id"] for one in now.values() if one["eventTypes"] == [_EVENT]]
    messages = [one for one in hub.codat("GET", "/_sandbox/deliveries") if one["consumer"] in made]
    fresh = [
        one["companyId"] for one in messages if _PRODUCT not in before.products[one["companyId"]]
    ]
    scene.expect("first reads come by the new webhook", bool(fresh))
    sent = {one["webhookId"] for one in messages}
    scene.expect("all are stored", wait_until(lambda: hub.follow(scene, sent)))
    scene.expect("each once", scene.stored == len(sent))
    heard = bool(fresh) and wait_until(lambda: stage.team.receive(fresh[0]) > 0)
    scene.expect("their team hears of them", heard)


def _nothing_is_lost(scene: Scene, stage: _Stage, migration: str) -> None:
    missed = stage.in_the_gap[0]
    scene.expect("what came in the gap met nobody", not stage.hub.item(missed))
    since = stage.operator.report(migration)["replay_missed"]["from"]
    for one in stage.client().consumers.values():
        if migration in one["url"]:
            stage.operator.replay_missed(one["id"], since)
    scene.expect("the replay brings it", wait_until(lambda: bool(stage.hub.item(missed))))
