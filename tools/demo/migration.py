"""Scenes: a migration with a person at the Portal is planned, done, and rolled back."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tools.cli.api import connected
from tools.cli.terminal.output import words
from tools.demo.hub import Hub, wait_until
from tools.demo.products import Team
from tools.demo.story import Scene, Story
from tools.local.codat import codat_client
from tools.local.consumer import DeployedConsumer
from tools.local.migrating import Operator

type Json = dict[str, Any]

_PRODUCT: Final = "cashflow-insights"
_EVENT: Final = f"{_PRODUCT}.read.completed"
_LONGEST: Final = 180.0  # seconds; a run takes far less
_BETWEEN: Final = 0.3  # seconds; more looks would slow the stack down
_IN_THE_GAP: Final[Json] = {
    "referenceCompany": {"id": "5b0f9c1e-7a54-4d0c-9f35-2f7d3f7c1a10", "name": "Missed Ltd"},
    "connection": {
        "id": "d3c1a6f2-0b7e-4e3a-8a4f-6c2e9b5d7f01",
        "status": "PendingAuth",
        "integrationKey": "gbol",
        "sourceType": "Accounting",
    },
}
_SEEDED: Final = "internal ref"  # the description of the sandbox's first companies


@dataclass(frozen=True)
class _Client:
    """Codat's side, which a rollback restores; settings and webhooks are bytes of its answers."""

    settings: bytes
    own_settings: dict[str, bytes]
    webhooks: bytes
    products: dict[str, list[str]]

    @property
    def consumers(self) -> dict[str, Json]:
        return {consumer["id"]: consumer for consumer in json.loads(self.webhooks)["results"]}

    @property
    def schedules(self) -> list[int]:
        """Return the hours of every effective schedule, of the client and of the companies."""
        levels = map(json.loads, (self.settings, *self.own_settings.values()))
        return [
            setting["syncSchedule"]
            for level in levels
            if level["overridesDefaults"]
            for setting in level["settings"]
        ]


@dataclass(frozen=True)
class _Stage:
    """What the scenes use. `in_the_gap`: webhook-ids of the events in the gap, oldest first."""

    hub: Hub
    codat: httpx.Client
    operator: Operator
    team: Team
    in_the_gap: list[str] = field(default_factory=list)

    def see_through(self, scene: Scene, migration: str) -> Json:
        """Answer every stop until the run is over; the scene's title shows the step."""
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
        """Read Codat's side as it is now."""
        companies = self.companies()
        return _Client(
            self._read("/profile/syncSettings"),
            {company: self._read(f"/companies/{company}/syncSettings") for company in companies},
            self._read("/webhooks"),
            {name: sorted(company["products"]) for name, company in companies.items()},
        )

    def companies(self) -> dict[str, Json]:
        found = json.loads(self._read("/companies?pageSize=100"))["results"]
        return {company["id"]: company for company in found}

    def _read(self, path: str) -> bytes:
        return self.codat.get(path).raise_for_status().content


def play(story: Story, hub: Hub, consumer: DeployedConsumer) -> None:
    """Play these scenes last, because they change every company and the webhooks."""
    stack, credentials = hub.stack, hub.local.emulator.credentials()
    about = {"url": stack["sandbox_url"], "api_key": stack["codat_api_key"]}
    with (
        connected(stack["api_url"], credentials, stack["region"]) as api,
        codat_client(about) as codat,
    ):
        operator = Operator(api, codat, poll=_BETWEEN)
        stage = _Stage(hub, codat, operator, Team(_PRODUCT, consumer))
        operator.in_the_gap = stage.something_happens
        done: tuple[str, _Client] | None = None
        with story.scene("a client migrates, with a person at the Portal") as scene:
            done = _forward(scene, stage)
        with story.scene("the migration is rolled back") as scene:
            if done:
                _back(scene, stage, *done)


def _forward(scene: Scene, stage: _Stage) -> tuple[str, _Client]:
    """Plan and migrate; return the migration and Codat's side before it."""
    _as_before_a_migration(stage)
    before = stage.client()
    _plan(scene, stage, before)
    migration = _migrate(scene, stage, before)
    _events_arrive(scene, stage, before)
    _nothing_is_lost(scene, stage, migration)
    return migration, before


def _back(scene: Scene, stage: _Stage, migration: str, before: _Client) -> None:
    stage.operator.rollback(migration)
    run = stage.see_through(scene, migration)
    scene.expect("the rollback is complete", run["status"] == "rolled_back")
    scene.expect("Codat's side is as before, byte for byte", stage.client() == before)


def _as_before_a_migration(stage: _Stage) -> None:
    """Delete the product's webhook: before a migration a client has none."""
    for consumer in stage.client().consumers.values():
        if consumer["eventTypes"] == [_EVENT]:
            stage.hub.codat("DELETE", f"/webhooks/{consumer['id']}")


def _plan(scene: Scene, stage: _Stage, before: _Client) -> None:
    planned = stage.see_through(scene, stage.operator.start([_PRODUCT], "portal", dry_run=True))
    scene.expect("a dry run ends with its plan", planned["status"] == "planned")
    scene.expect("a dry run changes nothing at Codat", stage.client() == before)


def _migrate(scene: Scene, stage: _Stage, before: _Client) -> str:
    done = stage.see_through(scene, stage.operator.start([_PRODUCT], "portal"))
    scene.expect("the migration is complete", done["status"] == "complete")
    now = stage.client()
    scene.expect("every schedule is off", {*before.schedules} != {0} == {*now.schedules})
    old = [
        key for key, value in before.consumers.items() if "read.completed" in value["eventTypes"]
    ]
    off = [now.consumers[key]["disabled"] for key in old]
    scene.expect("the old webhook is off", bool(off) and all(off))
    agreed = [
        name
        for name, company in stage.companies().items()
        if (company.get("description") or "").startswith(_SEEDED)
    ]
    scene.expect(
        "every company that agreed has the product",
        bool(agreed) and all(_PRODUCT in now.products[name] for name in agreed),
    )
    return str(done["migration_id"])


def _events_arrive(scene: Scene, stage: _Stage, before: _Client) -> None:
    """Check that the product's events arrive by the consumer that the migration created."""
    hub, now = stage.hub, stage.client().consumers
    new = [key for key, consumer in now.items() if consumer["eventTypes"] == [_EVENT]]
    deliveries = hub.codat("GET", "/_sandbox/deliveries")
    messages = [message for message in deliveries if message["consumer"] in new]
    companies = [message["companyId"] for message in messages]
    fresh = [company for company in companies if _PRODUCT not in before.products[company]]
    scene.expect("first reads arrive by the new webhook", bool(fresh))
    sent = {message["webhookId"] for message in messages}
    scene.expect("all their webhooks are stored", wait_until(lambda: hub.follow(scene, sent)))
    scene.expect("each is stored once", scene.stored == len(sent))
    received = bool(fresh) and wait_until(lambda: bool(stage.team.events(fresh[0])))
    scene.expect("the team's bucket receives the records", received)


def _nothing_is_lost(scene: Scene, stage: _Stage, migration: str) -> None:
    missed = stage.in_the_gap[0]
    scene.expect("an event in the gap is missed", not stage.hub.item(missed))
    since = stage.operator.report(migration)["replay_missed"]["from"]
    for consumer in stage.client().consumers.values():
        if migration in consumer["url"]:
            stage.operator.replay_missed(consumer["id"], since)
    scene.expect("the Portal's replay brings it", wait_until(lambda: bool(stage.hub.item(missed))))
