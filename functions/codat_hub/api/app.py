"""The control API as a whole: all routers, all problem handlers, the OpenAPI document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
    ResponseValidationError,
)
from aws_lambda_powertools.event_handler.openapi.models import APIKey, APIKeyIn

from codat_hub.api import problems
from codat_hub.api.bodies import read_body
from codat_hub.api.routes import (
    assignments,
    companies,
    consents,
    freshness,
    full_loads,
    migrations,
    products,
    reconciles,
    refreshes,
    replays,
    resends,
    status,
    tails,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from codat_hub.api.hub import Hub

RESOURCES: Final = (
    products.routes,
    companies.routes,
    assignments.routes,
    consents.routes,
    migrations.routes,
    freshness.routes,
    reconciles.routes,
    replays.routes,
    resends.routes,
    status.routes,
    refreshes.routes,
    full_loads.routes,
    tails.routes,
)
_SIGNATURE: Final = "sigv4"
_DESCRIPTION: Final = (
    "Products, companies, consents and all work on them. Sign every request with AWS Signature "
    "Version 4 for the service execute-api. Every response but a success is a problem document "
    "(RFC 9457)."
)


def _build() -> APIGatewayRestResolver:
    # a response that breaks the document is a fault of the hub, not of the request
    app = APIGatewayRestResolver(
        enable_validation=True,
        response_validation_error_http_code=500,
        serializer=lambda body: json.dumps(body, separators=(",", ":")),
        json_body_deserializer=read_body,
    )
    for resource in RESOURCES:
        app.include_router(resource.router)
    problems.handle_problems(app)
    app.exception_handler(RequestValidationError)(problems.invalid_shape)
    app.exception_handler(RequestUnsupportedContentType)(problems.unsupported_content)
    app.exception_handler(NotFoundError)(problems.no_such_path)
    app.exception_handler(ResponseValidationError)(problems.unexpected)
    app.exception_handler(Exception)(problems.unexpected)
    return app


app: Final = _build()


def answer(hub: Hub, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take an API Gateway proxy event and the use cases; return the proxy response."""
    app.append_context(hub=hub)  # type: ignore[no-untyped-call]
    return app.resolve(event, context)


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of the control API."""
    text = app.get_openapi_json_schema(
        title="Codat Hub control API",
        version="1",
        description=_DESCRIPTION,
        security_schemes={
            _SIGNATURE: APIKey.model_validate(
                {
                    "name": "Authorization",
                    "in": APIKeyIn.header,
                    "description": "AWS Signature Version 4 (API Gateway's AWS_IAM)",
                }
            )
        },
        security=[{_SIGNATURE: []}],
    )
    document: dict[str, Any] = json.loads(text)
    return _with_all_answers(document)


def _with_all_answers(document: dict[str, Any]) -> dict[str, Any]:
    """Add the responses of API Gateway, and drop Powertools' error bodies: `problems` has ours."""
    own = {"HTTPValidationError", "ValidationError", "ResponseValidationError"}
    operations = [
        operation for methods in document["paths"].values() for operation in methods.values()
    ]
    for operation in operations:
        answers = operation["responses"]
        for code in [code for code, answer in answers.items() if _refers(answer, own)]:
            del answers[code]
        answers["500"] = {**problems.answers()[500], "content": answers["400"]["content"]}
        for code, description in problems.BY_THE_GATEWAY.items():
            answers.setdefault(code, {"description": description, "content": {}})
            answers[code]["content"] |= {
                "application/json": answers["400"]["content"][problems.MEDIA_TYPE]
            }
        operation["responses"] = dict(sorted(answers.items()))
    for name in own:
        document["components"]["schemas"].pop(name, None)
    return document


def _refers(answer: Mapping[str, Any], schemas: set[str]) -> bool:
    """Tell whether a response has one of these schemas as its body."""
    bodies = [content["schema"].get("$ref", "") for content in answer.get("content", {}).values()]
    return any(body.rpartition("/")[2] in schemas for body in bodies)
