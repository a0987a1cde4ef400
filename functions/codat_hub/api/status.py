"""/status: the hub at a glance."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import BaseModel

from codat_hub.api.hub import hub_of, new_router
from codat_hub.api.problems import answers
from codat_hub.api.reconciles import ReconcileAnswer

router: Final = new_router()


class ClientAnswer(BaseModel):
    """`confirmed`: the API key is of the client that this stack is bound to, by Codat's own word.

    Only then does the hub change anything at Codat. `reported`: the client that the key is of.
    """

    bound_to: str | None
    confirmed: bool
    reported: str | None
    checked_at: datetime | None


class ConsumerAnswer(BaseModel):
    """A webhook consumer. `secret`: whether its signing secret is stored."""

    consumer: str
    at_codat: bool
    enabled: bool
    secret: bool


class IntegrationAnswer(BaseModel):
    """A platform that companies are connected by. `linked`: connections that can sync."""

    integration: str
    name: str | None
    connections: int
    linked: int


class ProductAnswer(BaseModel):
    product: str
    kind: str
    schedule: str | None


class StatusAnswer(BaseModel):
    """`consumers` and `integrations` are as the reconcile of `as_of` found them; null: none yet.

    `calls_barred_until`: Codat's daily quota is used up until then.
    """

    environment: str
    client: ClientAnswer
    products: list[ProductAnswer]
    consumers: list[ConsumerAnswer]
    integrations: list[IntegrationAnswer]
    as_of: datetime | None
    last_reconcile: ReconcileAnswer | None
    calls_barred_until: datetime | None


@router.get("/status", summary="Show the hub at a glance", tags=["status"], responses=answers())
def show_status() -> StatusAnswer:
    found = hub_of(router).status()
    check = found.check
    return StatusAnswer(
        environment=found.environment,
        client=ClientAnswer(
            bound_to=found.bound_to or None,
            confirmed=found.confirmed,
            reported=check.reported if check else None,
            checked_at=check.checked_at if check else None,
        ),
        products=[
            ProductAnswer(
                product=one.identifier,
                kind=one.kind,
                schedule=one.schedule.expression if one.schedule and one.schedule.enabled else None,
            )
            for one in found.products
        ],
        consumers=[
            ConsumerAnswer(consumer=name, **facts) for name, facts in found.consumers.items()
        ],
        integrations=[
            IntegrationAnswer(
                integration=key, name=one.name, connections=one.connections, linked=one.linked
            )
            for key, one in sorted(found.integrations.items())
        ],
        as_of=found.seen.finished_at if found.seen else None,
        last_reconcile=ReconcileAnswer.of(found.latest) if found.latest else None,
        calls_barred_until=found.blocked_until,
    )
