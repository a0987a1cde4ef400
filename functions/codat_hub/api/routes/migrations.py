"""The routes of /migrations: plan, start, watch, approve, confirm, roll back."""

from __future__ import annotations

from datetime import datetime  # pydantic reads the annotation
from typing import Annotated, Any, Final, Self

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from pydantic import BaseModel, Field, model_validator

from codat_hub.api.fields import COMPANY_ID, IdempotencyKey, RequestModel, Text
from codat_hub.api.resource import Resource
from codat_hub.migration.domain import run as domain
from codat_hub.migration.domain.run import (
    FirstLink,
    MigrationRun,
    MigrationStatus,
    Mode,
    Stragglers,
    WaitingFor,
)
from codat_hub.migration.steps.settling import ItemToSettle
from codat_hub.migration.usecases.reports import RunStanding

routes: Final = Resource("migrations")
_MOST_COMPANIES: Final = 1000

MigrationId = Annotated[str, Path(pattern=r"^m-[0-9a-z-]{1,60}$")]


def _one_of(kind: type[Mode | FirstLink | Stragglers | MigrationStatus | WaitingFor]) -> Any:
    return Field(json_schema_extra={"enum": [member.value for member in kind]})


class CompanyChoice(RequestModel):
    """The companies to migrate: either `ids`, or `tags`. A company must have all of the tags."""

    ids: Annotated[
        list[Annotated[str, Field(pattern=COMPANY_ID)]] | None,
        Field(min_length=1, max_length=_MOST_COMPANIES),
    ] = None
    tags: Annotated[dict[str, str] | None, Field(min_length=1, max_length=10)] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.ids is None) == (self.tags is None):
            raise ValueError("give either ids or tags")
        return self


class MigrationFields(RequestModel):
    """A migration from client-level to product-level settings.

    `companies`: left out for all companies. `webhooks`: `portal` if a person disables the old
    consumers in the Codat Portal, `api` if the hub deletes them. `off_value`: the `syncSchedule`
    that means off, if the client's settings do not show it. `fetch_on_first_link`: keep it, or
    switch it off as well. `stragglers`: go on or ask a person when old reads are still running at
    the time limit. `tolerated_failures`: how many companies may fail in one step. `quiet_hours`:
    how long to wait before the first look for quiet; left out, the shortest schedule.
    """

    products: Annotated[list[Text], Field(min_length=1, max_length=20)]
    companies: CompanyChoice | None = None
    webhooks: Annotated[str, Field(pattern="^(portal|api)$"), _one_of(Mode)] = Mode.PORTAL.value
    dry_run: bool = False
    fetch_on_first_link: Annotated[str, Field(pattern="^(keep|off)$"), _one_of(FirstLink)] = "keep"
    off_value: Annotated[int | None, Field(le=0)] = None
    stragglers: Annotated[str, Field(pattern="^(go_on|ask)$"), _one_of(Stragglers)] = "go_on"
    tolerated_failures: Annotated[int, Field(ge=0)] = 0
    quiet_hours: Annotated[int | None, Field(ge=1, le=744)] = None

    def request(self) -> domain.MigrationRequest:
        chosen = self.companies
        return domain.MigrationRequest(
            products=tuple(dict.fromkeys(self.products)),
            company_ids=tuple(dict.fromkeys(chosen.ids)) if chosen and chosen.ids else None,
            tags=chosen.tags if chosen else None,
            mode=Mode(self.webhooks),
            dry_run=self.dry_run,
            fetch_on_first_link=FirstLink(self.fetch_on_first_link),
            off_value=self.off_value,
            stragglers=Stragglers(self.stragglers),
            tolerated_failures=self.tolerated_failures,
            quiet_hours=self.quiet_hours,
        )


class ApprovalFields(RequestModel):
    """An approval. `plan`: the hash of the plan that you read; a newer plan is then refused."""

    plan: Text | None = None


class SecretFields(RequestModel):
    """A new consumer's signing secret from the Codat Portal. The hub never shows it again."""

    consumer_id: Text
    secret: Text


class RollbackFields(RequestModel):
    """A rollback. `forced`: also if the settings at Codat were changed after the migration."""

    forced: bool = False


class SettlementFields(RequestModel):
    """What a rollback could not undo, left as it is. Without `product`: the company's settings.

    Of the client: a `consumer`, as `left` names it, or `client_settings`. `reason`: why; reports
    show it with your name.
    """

    company_id: Annotated[str | None, Field(pattern=COMPANY_ID)] = None
    product: Text | None = None
    consumer: Text | None = None
    client_settings: bool = False
    reason: Annotated[str, Field(min_length=1, max_length=500)]

    @model_validator(mode="after")
    def _one_item(self) -> Self:
        given = (self.company_id is not None, self.consumer is not None, self.client_settings)
        if sum(given) != 1 or (self.product is not None and self.company_id is None):
            raise ValueError("give one of company_id, consumer and client_settings")
        return self

    def item(self) -> ItemToSettle:
        return ItemToSettle(self.company_id, self.product, self.consumer)


class LeftItem(BaseModel):
    """What a migration or its rollback could not do: whose it is, what it is, and Codat's words.

    `company_id` is null for what belongs to the client. `consumer`: a webhook consumer.
    """

    company_id: str | None = None
    product: str | None = None
    consumer: str | None = None
    what: str
    error: str


class SettledItem(LeftItem):
    """An item that a person left as it is: why, by whom and when."""

    reason: str
    by: str
    at: datetime


class Need(BaseModel):
    """What a person has to do now or still, and the command for it."""

    what: str
    command: str


class StartedMigration(BaseModel):
    """A migration or a dry run that has started."""

    migration_id: str


class MigrationAnswer(BaseModel):
    """How far a migration is.

    `waiting_for`: the person's action that the migration waits for. `instructions`: how to do it,
    line by line. `waits_for`: a fault or a used-up quota that the migration waits out by itself; a
    refused API key has to be replaced meanwhile. `rollback_asked_for`: whether a person asked for
    the rollback. `counts`: for each phase, how many companies or products on companies are `done`,
    `skipped`, `failed` and `open`, and how many `chunks` of `of_chunks` are done. `left`: what
    could not be done, or undone; `settled`: what a person left as it is. `needs`: what a person has
    to do now or still, also after the end.
    """

    migration_id: str
    status: Annotated[str, _one_of(MigrationStatus)]
    step: str
    waiting_for: Annotated[str | None, _one_of(WaitingFor)] = None
    waiting_since: datetime | None = None
    instructions: list[str] = []
    rollback_asked_for: bool = False
    waits_for: str | None = None
    dry_run: bool
    products: list[str]
    webhooks: str
    started_at: datetime
    started_by: str
    ended_at: datetime | None = None
    approved_by: str | None = None
    counts: dict[str, dict[str, int]] = {}
    plan: dict[str, Any] | None = None
    warnings: list[str] = []
    notes: list[str] = []
    error: str | None = None
    left: list[LeftItem] = []
    settled: list[SettledItem] = []
    needs: list[Need] = []

    @classmethod
    def of(
        cls, run: MigrationRun, standing: RunStanding | None = None, waits_for: str | None = None
    ) -> Self:
        pause = run.pause
        plan = dict(run.plan) if run.plan else None
        return cls(
            migration_id=run.migration_id,
            status=run.status.value,
            step=run.step,
            waiting_for=pause.waiting_for.value if pause else None,
            waiting_since=pause.since if pause else None,
            instructions=list(pause.instructions) if pause else [],
            rollback_asked_for=run.on_demand,
            waits_for=waits_for,
            dry_run=run.request.dry_run,
            products=list(run.request.products),
            webhooks=run.request.mode.value,
            started_at=run.started_at,
            started_by=run.started_by,
            ended_at=run.ended_at,
            approved_by=run.approved_by,
            counts=standing.counts if standing else {},
            plan=plan,
            warnings=list(plan["warnings"]) if plan else [],
            notes=list(run.notes),
            error=run.error,
            left=[LeftItem(**item) for item in standing.left] if standing else [],
            settled=[SettledItem(**item) for item in standing.settled] if standing else [],
            needs=[Need(**need) for need in standing.needs] if standing else [],
        )


class MigrationList(BaseModel):
    """The migrations, the newest first, without their plans and counts."""

    migrations: list[MigrationAnswer]


class ReportAnswer(BaseModel):
    """What a migration changed, and what it took back.

    `replay_missed`: the time to replay in the Codat Portal, if events may be missing.
    """

    migration_id: str
    status: str
    webhooks: str
    started_by: str
    approved_by: str | None
    started_at: datetime
    ended_at: datetime | None
    error: str | None
    client_settings: dict[str, Any]
    old_consumers: list[dict[str, Any]]
    new_consumers: list[dict[str, Any]]
    replay_missed: dict[str, datetime | None] | None
    counts: dict[str, dict[str, int]]
    notes: list[str]
    left: list[LeftItem]
    settled: list[SettledItem]


@routes.get("/migrations", "List migrations")
def list_migrations() -> MigrationList:
    runs = routes.hub.migrations.newest()
    return MigrationList(
        migrations=[MigrationAnswer.of(run).model_copy(update={"plan": None}) for run in runs]
    )


@routes.post(
    "/migrations",
    "Start a migration; with dry_run it only makes the plan",
    409,
    422,
    success={202: "Started."},
)
def start_migration(
    body: Annotated[MigrationFields, Body()], idempotency_key: IdempotencyKey = None
) -> Response[StartedMigration]:
    migrations = routes.hub.migrations
    run = migrations.start(body.request(), routes.caller, idempotency_key)
    return Response(202, "application/json", StartedMigration(migration_id=run.migration_id))


@routes.get(
    "/migrations/<migration_id>",
    "Show how far a migration is, and what a person has to do now",
    404,
)
def show_migration(migration_id: MigrationId) -> MigrationAnswer:
    migrations = routes.hub.migrations
    run = migrations.get(migration_id)
    return MigrationAnswer.of(run, migrations.standing(run), migrations.waits_for(run))


@routes.get(
    "/migrations/<migration_id>/report",
    "Report what a migration changed and what it took back",
    404,
)
def report_migration(migration_id: MigrationId) -> ReportAnswer:
    return ReportAnswer(**routes.hub.migrations.report(migration_id))


@routes.post("/migrations/<migration_id>/approve", "Approve the plan of a migration", 404, 409)
def approve_migration(
    migration_id: MigrationId,
    body: Annotated[ApprovalFields, Body()] = ApprovalFields(),  # noqa: B008  # frozen by use
) -> MigrationAnswer:
    migrations = routes.hub.migrations
    return MigrationAnswer.of(migrations.approve(migration_id, routes.caller, body.plan))


@routes.post(
    "/migrations/<migration_id>/confirm-webhooks-disabled",
    "Confirm that the old consumers are disabled; the hub checks it at Codat",
    404,
    409,
)
def confirm_webhooks_disabled(migration_id: MigrationId) -> MigrationAnswer:
    return MigrationAnswer.of(routes.hub.migrations.confirm_webhooks_disabled(migration_id))


@routes.post(
    "/migrations/<migration_id>/confirm-secret",
    "Store the signing secret of a new consumer; after the last one the migration goes on",
    404,
    409,
)
def confirm_secret(
    migration_id: MigrationId, body: Annotated[SecretFields, Body()]
) -> MigrationAnswer:
    migrations = routes.hub.migrations
    return MigrationAnswer.of(
        migrations.confirm_secret(migration_id, body.consumer_id, body.secret)
    )


@routes.post(
    "/migrations/<migration_id>/confirm-webhooks-restored",
    "Confirm that the old consumers are enabled again; the hub checks it at Codat",
    404,
    409,
)
def confirm_webhooks_restored(migration_id: MigrationId) -> MigrationAnswer:
    return MigrationAnswer.of(routes.hub.migrations.confirm_webhooks_restored(migration_id))


@routes.post(
    "/migrations/<migration_id>/rollback",
    "Roll a migration back from any step, or finish an incomplete rollback",
    404,
    409,
    success={202: "The rollback has started."},
)
def roll_back_migration(
    migration_id: MigrationId,
    body: Annotated[RollbackFields, Body()] = RollbackFields(),  # noqa: B008  # frozen by use
) -> Response[MigrationAnswer]:
    run = routes.hub.migrations.rollback(migration_id, routes.caller, forced=body.forced)
    return Response(202, "application/json", MigrationAnswer.of(run))


@routes.post(
    "/migrations/<migration_id>/settle",
    "Leave one item as it is that a repeated rollback could not undo",
    404,
    409,
    422,
)
def settle_migration(
    migration_id: MigrationId, body: Annotated[SettlementFields, Body()]
) -> MigrationAnswer:
    migrations = routes.hub.migrations
    run = migrations.settle(migration_id, routes.caller, body.item(), body.reason)
    return MigrationAnswer.of(run, migrations.standing(run))
