"""What the routes work with: the use cases, given anew with every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.router import Router

    from codat_hub.usecases.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Hub:
    """A resource's use cases; a new resource adds a field here and a router to `app.ROUTERS`."""

    registry: Registry


def hub_of(router: Router) -> Hub:
    """Return the use cases that this request works with."""
    return cast("Hub", router.context["hub"])


def caller_of(router: Router) -> str:
    """Return the ARN of who signed the request; API Gateway has checked the signature."""
    identity = router.current_event.request_context.identity
    return identity.user_arn or "unknown"
