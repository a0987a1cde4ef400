"""The routes of /tails: follow the product bus for an hour at most."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from pydantic import BaseModel, Field

from codat_hub.api.fields import RequestModel
from codat_hub.api.resource import Resource

if TYPE_CHECKING:
    from codat_hub.product_events.domain.tail import Tail

routes: Final = Resource("tails")
TailId = Annotated[str, Path(pattern=r"^[0-9a-f-]{1,64}$", description="the id of a tail")]


class TailFields(RequestModel):
    """What to follow. `product`: only events of this product."""

    # EventBridge takes a pattern of 2,048 characters.
    product: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class TailAnswer(BaseModel):
    """A tail. It ends at `open_until` by itself."""

    tail_id: str
    open_until: datetime
    events: list[dict[str, Any]] = []

    @classmethod
    def of(cls, tail: Tail, events: list[dict[str, Any]] | None = None) -> TailAnswer:
        return cls(tail_id=tail.tail_id, open_until=tail.open_until, events=events or [])


class TailClosed(BaseModel):
    """A tail that is over."""

    tail_id: str


@routes.post("/tails", "Follow the product bus for an hour at most")
def open_tail(body: Annotated[TailFields | None, Body()] = None) -> TailAnswer:
    product = None if body is None else body.product
    return TailAnswer.of(routes.hub.tails.open(product, routes.caller))


@routes.post("/tails/<tail_id>/events", "Take the events that came since the last call", 404)
def take_tailed_events(tail_id: TailId) -> TailAnswer:
    tail, events = routes.hub.tails.receive(tail_id)
    return TailAnswer.of(tail, list(events))


@routes.delete("/tails/<tail_id>", "End a tail")
def close_tail(tail_id: TailId) -> TailClosed:
    routes.hub.tails.close(tail_id, routes.caller)
    return TailClosed(tail_id=tail_id)
