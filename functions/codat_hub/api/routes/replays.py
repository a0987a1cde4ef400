"""The routes of /replays: process stored webhooks again."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from pydantic import BaseModel, Field

from codat_hub.api.fields import COMPANY_ID, IdempotencyKey, RequestModel, Text
from codat_hub.api.resource import Resource
from codat_hub.errors import Absent, Invalid, Problem
from codat_hub.product_events.domain.replay import MAX_WEBHOOK_IDS, MalformedSelection, ReplayStatus

if TYPE_CHECKING:
    from codat_hub.product_events.domain.replay import Replay

routes: Final = Resource("replays")
ReplayId = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,64}$", description="the id of a replay")]


class SelectionFields(RequestModel):
    """The webhooks to replay, in one of three ways.

    Give `webhook_ids`; or `parked` as true; or `received_from` with `received_to`, and
    `company_id` and `product` to narrow them down. Times are ISO 8601 with an offset.
    """

    webhook_ids: Annotated[list[Text], Field(min_length=1, max_length=MAX_WEBHOOK_IDS)] | None = (
        None
    )
    parked: bool | None = None
    received_from: Text | None = None
    received_to: Text | None = None
    company_id: Annotated[str, Field(pattern=COMPANY_ID)] | None = None
    product: Text | None = None


class ReplayAnswer(BaseModel):
    """A replay of stored webhooks. `counts`: webhooks by result, so far."""

    replay_id: str
    status: ReplayStatus
    requested_by: str
    requested_at: datetime
    updated_at: datetime
    counts: dict[str, int]
    error: str | None

    @classmethod
    def of(cls, replay: Replay) -> ReplayAnswer:
        return cls.model_validate(replay, from_attributes=True)


@routes.post(
    "/replays",
    "Process stored webhooks again",
    422,
    success={202: "Queued; GET /replays/{replay_id} shows how far it is."},
)
def start_replay(
    body: Annotated[SelectionFields, Body()],
    idempotency_key: IdempotencyKey = None,
) -> ReplayAnswer:
    selection = body.model_dump(exclude_none=True)
    try:
        replay = routes.hub.start_replay(selection, routes.caller, idempotency_key)
    except MalformedSelection as error:
        raise Invalid(Problem("body", str(error))) from None
    return ReplayAnswer.of(replay)


@routes.get("/replays/<replay_id>", "Show how far a replay is", 404)
def show_replay(replay_id: ReplayId) -> ReplayAnswer:
    replay, _ = routes.hub.replays.get(replay_id)
    if replay is None:
        raise Absent(
            f"There is no replay {replay_id!r}, or it is over 90 days old."
            " Start one: tools/hub replay start."
        )
    return ReplayAnswer.of(replay)
