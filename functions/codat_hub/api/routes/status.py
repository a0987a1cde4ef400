"""The route of /status: the hub at a glance."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel

from codat_hub.api.resource import Resource
from codat_hub.api.routes.reconciles import ReconcileAnswer
from codat_hub.rate_limiting.domain.breaker import Cause  # pydantic reads it

if TYPE_CHECKING:
    from codat_hub.products.domain.product import Product

routes: Final = Resource("status")


class ClientAnswer(BaseModel):
    """The Codat client that this stack is bound to.

    `confirmed`: Codat says that the API key belongs to this client; until then the hub changes
    nothing at Codat. `reported`: the client that the key belongs to.
    """

    bound_to: str | None
    confirmed: bool
    reported: str | None
    checked_at: datetime | None


class ConsumerAnswer(BaseModel):
    """A webhook consumer of the hub.

    `at_codat`: Codat has it. `enabled`: Codat sends to it. `secret`: its signing secret is stored.
    """

    consumer: str
    at_codat: bool
    enabled: bool
    secret: bool


class IntegrationAnswer(BaseModel):
    """A platform that companies connect. `linked`: how many connections can sync."""

    integration: str
    name: str | None
    connections: int
    linked: int


class ProductAnswer(BaseModel):
    """A registered product. `schedule`: null if it is not refreshed by schedule."""

    product: str
    kind: str
    schedule: str | None

    @classmethod
    def of(cls, product: Product) -> ProductAnswer:
        schedule = product.schedule
        expression = schedule.expression if schedule and schedule.enabled else None
        return cls(product=product.identifier, kind=product.kind, schedule=expression)


class StoppedAnswer(BaseModel):
    """Why refreshes wait, since when, and when a single call tries again.

    `cause`: `unauthorized` (the API key), `wrong_client` (the key of another client), `forbidden`
    (402 or 403 for several companies), `rate_limited` (429) or `edge` (something between the hub
    and Codat refuses the calls).
    """

    cause: Cause
    since: datetime
    next_probe_at: datetime


class StatusAnswer(BaseModel):
    """The hub at a glance.

    `as_of`: when the last complete reconcile found `consumers` and `integrations`; null before the
    first. `last_reconcile`: the newest, whatever its status. `calls_barred_until`: Codat's daily
    quota is used up until then, by its event. `calls_stopped`: null while all refreshes may call.
    """

    environment: str
    client: ClientAnswer
    products: list[ProductAnswer]
    consumers: list[ConsumerAnswer]
    integrations: list[IntegrationAnswer]
    as_of: datetime | None
    last_reconcile: ReconcileAnswer | None
    calls_barred_until: datetime | None
    calls_stopped: StoppedAnswer | None


@routes.get("/status", "Show the hub at a glance")
def show_status() -> StatusAnswer:
    found = routes.hub.status()
    check = found.check
    return StatusAnswer(
        environment=found.environment,
        client=ClientAnswer(
            bound_to=found.bound_to or None,
            confirmed=found.confirmed,
            reported=check.reported if check else None,
            checked_at=check.checked_at if check else None,
        ),
        products=[ProductAnswer.of(product) for product in found.products],
        consumers=[
            ConsumerAnswer(consumer=name, **facts) for name, facts in found.consumers.items()
        ],
        integrations=[
            IntegrationAnswer(integration=key, **asdict(integration))
            for key, integration in sorted(found.integrations.items())
        ],
        as_of=found.seen.finished_at if found.seen else None,
        last_reconcile=ReconcileAnswer.of(found.latest) if found.latest else None,
        calls_barred_until=found.blocked_until,
        calls_stopped=StoppedAnswer(
            cause=found.stopped.cause,
            since=found.stopped.since,
            next_probe_at=found.stopped.probe_at,
        )
        if found.stopped
        else None,
    )
