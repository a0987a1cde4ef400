"""The routes of /products: the registry of products."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final, cast

from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from pydantic import BaseModel, Field

from codat_hub.api.fields import ProductId, RequestModel, Text
from codat_hub.api.hub import caller_of, hub_of, new_router
from codat_hub.api.problems import answers
from codat_hub.codat.domain.data_types import DATA_TYPES
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.products.usecases.registry import Applied

router: Final = new_router()
_TAGS: Final = ["products"]
_READ: Final = answers()
_CHANGE: Final = answers(409)


class ScheduleFields(RequestModel):
    """When a product is refreshed.

    `expression`: `rate(…)` or `cron(…)` of EventBridge Scheduler. `timezone`: an IANA time zone.
    """

    expression: Annotated[str, Field(examples=["cron(0 23 * * ? *)", "rate(6 hours)"])]
    timezone: str = "UTC"
    enabled: bool = True


class ProductFields(RequestModel):
    """A registered product. `consent_text_version`: the text that customers agree to now."""

    kind: Annotated[str, Field(json_schema_extra={"enum": [kind.value for kind in ProductKind]})]
    name: Text | None = None
    data_types: Annotated[
        list[Annotated[str, Field(json_schema_extra={"enum": list(DATA_TYPES)})]],
        Field(max_length=100, default_factory=list),
    ]
    schedule: ScheduleFields | None = None
    team: Text | None = None
    consent_text_version: Text | None = None

    def named(self, identifier: str) -> Product:
        # an unknown kind is refused later, together with all other problems
        schedule = self.schedule
        kind = (
            ProductKind(self.kind)
            if self.kind in set(ProductKind)
            else cast("ProductKind", self.kind)
        )
        return Product(
            identifier=identifier,
            kind=kind,
            name=self.name,
            data_types=tuple(self.data_types),
            schedule=None if schedule is None else Schedule(**schedule.model_dump()),
            team=self.team,
            consent_text_version=self.consent_text_version,
        )


class NamedProduct(ProductFields):
    """A registered product with its identifier, which is Codat's."""

    product: str

    @classmethod
    def of(cls, product: Product) -> NamedProduct:
        schedule = product.schedule
        return cls(
            product=product.identifier,
            kind=product.kind.value,
            name=product.name,
            data_types=list(product.data_types),
            schedule=None if schedule is None else ScheduleFields(**asdict(schedule)),
            team=product.team,
            consent_text_version=product.consent_text_version,
        )


class ProductList(RequestModel):
    """All products of the registry."""

    products: list[NamedProduct]


class ProductChange(BaseModel):
    """What happens to a product.

    `change`: added, changed, removed or unchanged. `fields`: the fields that change.
    """

    product: str
    change: str
    fields: list[str] = []


class ProductChanges(BaseModel):
    """What a request changes in the registry.

    `applied`: false for a dry run. `scheduled`: the products whose schedule was changed.
    """

    applied: bool
    changes: list[ProductChange]
    warnings: list[str] = []
    scheduled: list[str] = []

    @classmethod
    def of(cls, applied: Applied, *, dry_run: bool = False) -> ProductChanges:
        return cls(
            applied=not dry_run,
            changes=[ProductChange(**asdict(change)) for change in applied.changes],
            warnings=list(applied.warnings),
            scheduled=list(applied.scheduled),
        )


@router.get(
    "/products",
    summary="List the registered products",
    tags=_TAGS,
    responses=_READ,
    operation_id="list_products",
)
def list_products() -> ProductList:
    products = hub_of(router).registry.products()
    return ProductList(products=[NamedProduct.of(product) for product in products.values()])


@router.put(
    "/products",
    summary="Replace the whole registry; with dry_run, only show what would change",
    tags=_TAGS,
    responses=_CHANGE,
    operation_id="apply_products",
)
def apply_products(
    body: Annotated[ProductList, Body()], dry_run: Annotated[bool, Query()] = False
) -> ProductChanges:
    products = [fields.named(fields.product) for fields in body.products]
    applied = hub_of(router).registry.apply(products, caller_of(router), dry_run=dry_run)
    return ProductChanges.of(applied, dry_run=dry_run)


@router.get(
    "/products/<product>",
    summary="Show one product",
    tags=_TAGS,
    responses=_READ,
    operation_id="show_product",
)
def show_product(product: ProductId) -> NamedProduct:
    return NamedProduct.of(hub_of(router).registry.product(product))


@router.put(
    "/products/<product>",
    summary="Register a product, or change it",
    tags=_TAGS,
    responses=_CHANGE,
    operation_id="register_product",
)
def register_product(product: ProductId, body: Annotated[ProductFields, Body()]) -> ProductChanges:
    return ProductChanges.of(hub_of(router).registry.put(body.named(product), caller_of(router)))


@router.delete(
    "/products/<product>",
    summary="Unregister a product that no company has",
    tags=_TAGS,
    responses=_CHANGE,
    operation_id="unregister_product",
)
def unregister_product(product: ProductId) -> ProductChanges:
    return ProductChanges.of(hub_of(router).registry.remove(product, caller_of(router)))
