"""The bodies that /_sandbox takes, and the problems that it reports about a body."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from tools.sandbox.world.catalog import FINAL


def _not_of_the_server(name: str) -> str:
    if name.lower() in {"content-length", "transfer-encoding", "connection"}:
        raise ValueError("the server sets this header itself")
    return name


_YEAR: Final = 366 * 86_400

# The headers that HTTP can send; the server itself sets the length of the body.
type HeaderName = Annotated[
    str,
    Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
    AfterValidator(_not_of_the_server),
]
type HeaderValue = Annotated[
    str, Field(pattern=r"^([!-~\u00a1-\u00ff]([ -~\u00a1-\u00ff]*[!-~\u00a1-\u00ff])?)?$")
]


class Body(BaseModel):
    """A body in camelCase; an unknown field is an error, so that typos show."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", populate_by_name=True)


class Example(Body):
    """Send an example of an event type to one consumer."""

    event_type: str


class Replay(Body):
    """Send again what the consumer missed, or everything, since a time of the sandbox."""

    since: datetime
    include: Literal["missed", "all"] = "missed"


class Event(Body):
    """Make Codat send any event."""

    event_type: str
    payload: dict[str, Any] = Field(default_factory=dict)
    consumer_id: str | None = None
    company_id: str | None = None
    copies: Annotated[int, Field(ge=1, le=100)] = 1
    shuffle: bool = False


class Delivery(Body):
    """Change how messages are duplicated, reordered and retried; a missing field stays."""

    duplicate_probability: Annotated[float, Field(ge=0, le=1)] | None = None
    reorder: bool | None = None
    retry_scale: Annotated[float, Field(ge=0, le=1000)] | None = None


class StartRead(Body):
    """Start a read by hand; without `seconds` it runs until it is completed by hand."""

    company_id: str
    product_identifier: str | None = None
    data_types: list[str] | None = None
    seconds: Annotated[float, Field(ge=0, le=_YEAR)] | None = None


class CompleteRead(Body):
    """End a company's running reads of a product; `statuses` are by data type."""

    company_id: str
    product_identifier: str | None = None
    statuses: dict[str, Literal[FINAL]] = Field(default_factory=dict)  # type: ignore[valid-type]


class Link(Body):
    """Link a platform as the customer, or give up half way."""

    platform_key: str
    fail: bool = False


class ConnectionChoice(Body):
    """Name a connection, unless only one is possible."""

    connection_id: str | None = None
    deauthorize: bool = False


class PortalRefresh(Body):
    """Press the Portal's Refresh data button."""

    company_id: str


class FaultRequest(Body):
    """Make requests that match go wrong."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "*"] = "*"
    path: str
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    body: Any = None
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    latency_seconds: Annotated[float, Field(ge=0, le=300)] = 0.0
    reset: bool | Literal["before", "after"] = False
    times: Annotated[int, Field(ge=1, le=1_000_000)] = 1


class ClockSpeed(Body):
    """Set the sandbox seconds in a real second, and jump some seconds ahead now."""

    speed: Annotated[float, Field(gt=0, le=100_000)] | None = None
    advance_seconds: Annotated[float, Field(ge=0, le=_YEAR)] = 0.0


class QuotaChange(Body):
    """Change the daily quota; `dailyQuota` null returns to Codat's formula."""

    daily_quota: Annotated[int, Field(ge=0)] | None = None
    remaining: Annotated[int, Field(ge=0)] | None = None
    reset: bool = False
    retry_after: Literal["seconds", "date"] | None = None


class ProductDefinition(Body):
    """Set up a custom product, as Codat does on request; `syncSchedule` in hours, 0 is off."""

    name: str
    data_types: Annotated[list[str], Field(min_length=1)]
    sync_schedule: Annotated[int, Field(ge=0)] = 0


class BadInput(Exception):  # its name is for the reader
    """A request to /_sandbox has a wrong field; the error has its value and what is allowed."""

    def __init__(self, field: str, value: Any, allowed: str, status: int = 422) -> None:
        super().__init__(f"{field}: {value!r} is not possible; allowed: {allowed}")
        self.status = status
        self.problems = [{"field": field, "value": value, "allowed": allowed}]


def problems_of(error: ValidationError) -> list[dict[str, Any]]:
    """Return each problem of a body as field, value, and what is allowed."""
    return [
        {
            "field": ".".join(str(part) for part in problem["loc"]) or "body",
            "value": problem.get("input"),
            "allowed": problem["msg"],
        }
        for problem in error.errors(include_url=False, include_context=False)
    ]
