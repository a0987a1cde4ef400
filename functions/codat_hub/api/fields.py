"""Fields and cursors that several resources share."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler.openapi.params import Header, Path
from pydantic import BaseModel, ConfigDict, Field

from codat_hub.codat.domain.data_types import DATA_TYPES
from codat_hub.companies.domain.new_company import Grant
from codat_hub.errors import Invalid, Problem
from codat_hub.storage.cursor import Cursor

COMPANY_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"
LONGEST: Final = 500

Text = Annotated[str, Field(min_length=1, max_length=LONGEST)]
CompanyId = Annotated[str, Path(pattern=COMPANY_ID, description="Codat's id of the company")]
IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", pattern=r"^[!-~]{1,255}$")]
ProductId = Annotated[
    str, Path(min_length=1, max_length=200, description="the product's identifier")
]


class RequestModel(BaseModel):
    """A request body. It refuses unknown fields, and a text in place of a number."""

    model_config = ConfigDict(extra="forbid", strict=True)


def seal(*parts: str | int | None) -> str:
    """Return an opaque cursor for a place in a list."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def unseal(cursor: str) -> list[Any]:
    """Return the parts that `seal` made a cursor of. Raises Invalid for any other text."""
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except ValueError:
        parts = None
    if not isinstance(parts, list):
        raise not_a_cursor(cursor)
    return parts


def not_a_cursor(cursor: str) -> Invalid:
    """Return the error for a cursor that does not belong to the list."""
    allowed = "the `next_cursor` of the page before"
    return Invalid(Problem("cursor", "not a cursor of this list", cursor[:100], allowed))


def seal_place(place: Cursor | None) -> str | None:
    """Return the cursor for a place in a list over shards; None at the end of the list."""
    return None if place is None else seal(place.shard, place.after)


def unseal_place(cursor: str | None) -> Cursor:
    """Return the place of a cursor; the first place for None. Raises Invalid."""
    if cursor is None:
        return Cursor()
    match unseal(cursor):
        case [int() as shard, str() | None as after] if shard >= 0:
            return Cursor(shard, after)
        case _:
            raise not_a_cursor(cursor)


class GrantFields(RequestModel):
    """A customer's consent: the person who gave it, the text version and the data types."""

    granted_by: Text
    text_version: Text
    data_types: Annotated[
        list[Annotated[str, Field(json_schema_extra={"enum": list(DATA_TYPES)})]],
        Field(max_length=100),
    ]

    def grant(self) -> Grant:
        return Grant(self.granted_by, self.text_version, tuple(self.data_types))
