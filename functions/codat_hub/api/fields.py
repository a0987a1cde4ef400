"""Kinds of fields that several resources share."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler.openapi.params import Header, Path
from pydantic import BaseModel, ConfigDict, Field

from codat_hub.codat.domain.data_types import DATA_TYPES
from codat_hub.companies.domain.new_company import Grant
from codat_hub.errors import Invalid, Problem

COMPANY_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"
LONGEST: Final = 500

Text = Annotated[str, Field(min_length=1, max_length=LONGEST)]
CompanyId = Annotated[str, Path(pattern=COMPANY_ID, description="Codat's id of the company")]
IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", pattern=r"^[!-~]{1,255}$")]
ProductId = Annotated[
    str, Path(min_length=1, max_length=200, description="the product's identifier")
]


class Request(BaseModel):
    """A body: nothing but its fields, no text taken for a number."""

    model_config = ConfigDict(extra="forbid", strict=True)


def unseal(cursor: str) -> list[Any]:
    """Return what `seal` hid. Raises Invalid for anything else."""
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except ValueError:
        parts = None
    if not isinstance(parts, list):
        raise _not_a_cursor(cursor)
    return parts


def seal(*parts: str | int | None) -> str:
    """Return an opaque cursor."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def _not_a_cursor(cursor: str) -> Invalid:
    allowed = "what `next_cursor` of the page before said"
    return Invalid(Problem("cursor", "not a cursor of this list", cursor[:100], allowed))


class GrantFields(Request):
    """A consent: who at the customer gave it, to which text, for which data types."""

    granted_by: Text
    text_version: Text
    data_types: Annotated[
        list[Annotated[str, Field(json_schema_extra={"enum": list(DATA_TYPES)})]],
        Field(max_length=100),
    ]

    def grant(self) -> Grant:
        return Grant(self.granted_by, self.text_version, tuple(self.data_types))
