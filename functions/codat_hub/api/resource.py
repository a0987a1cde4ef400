"""A resource of the control API: its routes, with what each of them has to say of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.shared.types import AnyCallableT

from codat_hub.api.problems import answers

if TYPE_CHECKING:
    from codat_hub.api.hub import Hub

type Success = Mapping[int, str]  # what a status code of success means


class Resource:
    """The routes of one resource; `app.RESOURCES` has to name it.

    A route has the tag of its resource and the operation id of its function.
    """

    def __init__(self, tag: str) -> None:
        self.router = Router()  # type: ignore[no-untyped-call]
        self._tag = tag

    @property
    def hub(self) -> Hub:
        """The use cases for the present request."""
        return cast("Hub", self.router.context["hub"])

    @property
    def caller(self) -> str:
        """The ARN of the caller; API Gateway has checked the request's signature."""
        identity = (self.router.current_event.get("requestContext") or {}).get("identity") or {}
        return identity.get("userArn") or "unknown"

    def get(
        self, path: str, summary: str, *problems: int
    ) -> Callable[[AnyCallableT], AnyCallableT]:
        return self._route("GET", path, summary, problems)

    def post(
        self, path: str, summary: str, *problems: int, success: Success | None = None
    ) -> Callable[[AnyCallableT], AnyCallableT]:
        return self._route("POST", path, summary, problems, success)

    def put(
        self, path: str, summary: str, *problems: int, success: Success | None = None
    ) -> Callable[[AnyCallableT], AnyCallableT]:
        return self._route("PUT", path, summary, problems, success)

    def delete(
        self, path: str, summary: str, *problems: int, success: Success | None = None
    ) -> Callable[[AnyCallableT], AnyCallableT]:
        return self._route("DELETE", path, summary, problems, success)

    def _route(
        self,
        method: str,
        path: str,
        summary: str,
        problems: tuple[int, ...],
        success: Success | None = None,
    ) -> Callable[[AnyCallableT], AnyCallableT]:
        """Return a decorator; the route answers with the smallest status of `success`."""

        def register(function: AnyCallableT) -> AnyCallableT:
            route = self.router.route(
                path,
                method,
                summary=summary,
                tags=[self._tag],
                status_code=min(success or {200}),
                responses=answers(*problems, success=success),
                operation_id=function.__name__,
            )
            return route(function)

        return register
