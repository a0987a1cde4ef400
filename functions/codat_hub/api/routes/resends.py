"""The routes of /resends: hand archived product events to a team's rule again."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from codat_hub.api.fields import IdempotencyKey, RequestModel, Text
from codat_hub.api.resource import Resource
from codat_hub.codat.domain.codat_time import CodatTime
from codat_hub.errors import Invalid, Problem
from codat_hub.product_events.domain.resend import ResendStatus, TimeSpan

if TYPE_CHECKING:
    from codat_hub.product_events.domain.resend import Resend

routes: Final = Resource("resends")
ResendId = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,64}$", description="the id of a resend")]
RuleName = Annotated[str, Field(pattern=r"^[.A-Za-z0-9_-]{1,64}$")]


class ResendFields(RequestModel):
    """A rule of the product bus, and the time span in which the events were published.

    Times are ISO 8601 with an offset; fractions of a second are cut off.
    """

    rule: RuleName
    since: Annotated[Text, Field(alias="from")]
    until: Annotated[Text, Field(alias="to")]

    def span(self) -> TimeSpan:
        """Return the time span. Raises Invalid."""
        return TimeSpan(_moment("from", self.since), _moment("to", self.until))


class ResendAnswer(BaseModel):
    """A resend of archived events to one rule.

    `resend_id`: null with `dry_run`. `events_at_most`: with `dry_run`, how many events the archive
    has, as EventBridge counts about once a day. `reached`: the time of the event that was handed
    over last. `reason`: EventBridge's words, if it failed.
    """

    model_config = ConfigDict(populate_by_name=True)

    resend_id: str | None
    rule: str
    since: Annotated[datetime, Field(alias="from")]
    until: Annotated[datetime, Field(alias="to")]
    status: ResendStatus
    requested_by: str | None
    started_at: datetime | None
    ended_at: datetime | None
    reached: datetime | None
    reason: str | None
    events_at_most: int | None = None

    @classmethod
    def of(cls, resend: Resend, events_at_most: int | None = None) -> ResendAnswer:
        return cls(
            resend_id=resend.resend_id,
            rule=resend.rule,
            since=resend.span.since,
            until=resend.span.until,
            status=resend.status,
            requested_by=resend.requested_by,
            started_at=resend.started_at,
            ended_at=resend.ended_at,
            reached=resend.reached,
            reason=resend.reason,
            events_at_most=events_at_most,
        )


def _moment(name: str, text: str) -> datetime:
    moment = CodatTime(text).moment
    if moment is None:
        raise Invalid(Problem(name, "is not an ISO 8601 time", text[:100]))
    return moment.replace(microsecond=0)


@routes.post(
    "/resends",
    "Hand archived events to one rule again; with dry_run, only say how many at most",
    404,
    409,
    422,
    success={202: "Started; GET /resends/{resend_id} shows how far it is."},
)
def start_resend(
    body: Annotated[ResendFields, Body()],
    dry_run: Annotated[bool, Query()] = False,
    idempotency_key: IdempotencyKey = None,
) -> ResendAnswer:
    resends = routes.hub.resends
    if dry_run:
        return ResendAnswer.of(*resends.plan(body.rule, body.span()))
    return ResendAnswer.of(resends.start(body.rule, body.span(), routes.caller, idempotency_key))


@routes.get("/resends/<resend_id>", "Show how far a resend is", 404)
def show_resend(resend_id: ResendId) -> ResendAnswer:
    return ResendAnswer.of(routes.hub.resends.show(resend_id))


@routes.delete("/resends/<resend_id>", "Cancel a resend, unless it is over", 404)
def cancel_resend(resend_id: ResendId) -> ResendAnswer:
    return ResendAnswer.of(routes.hub.resends.cancel(resend_id, routes.caller))
