"""The routes that owe a product's team a full load."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import BaseModel

from codat_hub.api.fields import CompanyId, ProductId
from codat_hub.api.resource import Resource

routes: Final = Resource("full loads")


class FullLoadAnswer(BaseModel):
    """A full load that is owed. The first read that ends after `owed_at` is one.

    `company_id`: null for every company that has the product.
    """

    company_id: str | None
    product: str
    owed_at: datetime


@routes.post(
    "/companies/<company_id>/products/<product>/full-load",
    "Make the next read of a company's product a full load",
    409,
)
def owe_full_load(company_id: CompanyId, product: ProductId) -> FullLoadAnswer:
    owed_at = routes.hub.owe_full_load.company(company_id, product, routes.caller)
    return FullLoadAnswer(company_id=company_id, product=product, owed_at=owed_at)


@routes.post(
    "/products/<product>/full-load",
    "Make the next read of a product a full load, for every company that has it",
)
def owe_full_loads(product: ProductId) -> FullLoadAnswer:
    owed_at = routes.hub.owe_full_load.all_companies(product, routes.caller)
    return FullLoadAnswer(company_id=None, product=product, owed_at=owed_at)
