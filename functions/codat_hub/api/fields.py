"""Kinds of fields that several resources share."""

from __future__ import annotations

from typing import Annotated, Final

from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import BaseModel, ConfigDict, Field

COMPANY_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"
LONGEST: Final = 500

Text = Annotated[str, Field(min_length=1, max_length=LONGEST)]
CompanyId = Annotated[str, Path(pattern=COMPANY_ID, description="Codat's id of the company")]
ProductId = Annotated[
    str, Path(min_length=1, max_length=200, description="the product's identifier")
]


class Request(BaseModel):
    """A body: nothing but its fields, no text taken for a number."""

    model_config = ConfigDict(extra="forbid", strict=True)
