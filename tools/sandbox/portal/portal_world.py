"""The calls of /_sandbox for companies, reads and Codat's own set-up."""

from typing import Any

from tools.sandbox.companies import connections, views
from tools.sandbox.portal import overview
from tools.sandbox.portal.contract import (
    BadInput,
    CompleteRead,
    ConnectionChoice,
    Link,
    PortalRefresh,
    ProductDefinition,
    StartRead,
)
from tools.sandbox.portal.portal import Portal
from tools.sandbox.reads import data, reads
from tools.sandbox.runtime import Sandbox
from tools.sandbox.settings import schedules
from tools.sandbox.world.catalog import DATA_TYPES
from tools.sandbox.world.model import Company, Connection, Product
from tools.sandbox.world.platforms import PLATFORMS

portal = Portal()


@portal.get("/state")
def state(sandbox: Sandbox, _: dict[str, str]) -> dict[str, Any]:
    """Show everything that Codat knows, in short."""
    return overview.of(sandbox)


@portal.post("/companies/{company_id}/link")
def link(sandbox: Sandbox, params: dict[str, str], wanted: Link) -> dict[str, Any]:
    """Link a platform as the customer: by a waiting connection of it, or a new connection."""
    company = sandbox.world.company(params["company_id"])
    if wanted.platform_key not in PLATFORMS:
        raise BadInput("platformKey", wanted.platform_key, ", ".join(PLATFORMS))
    waiting = [
        connection
        for connection in company.connections.values()
        if connection.platform_key == wanted.platform_key
        and connection.status == connections.PENDING
    ]
    connections.refuse_second_ledger(company, wanted.platform_key)
    connection = waiting[0] if waiting else None
    connection = connection or connections.create(sandbox.world, company, wanted.platform_key)
    if wanted.fail:
        connections.fail(sandbox.world, company, connection)
    else:
        connections.link(sandbox.world, company, connection)
    return views.connection(company, connection)


@portal.post("/companies/{company_id}/relink")
def relink(sandbox: Sandbox, params: dict[str, str], wanted: ConnectionChoice) -> dict[str, Any]:
    """Authorise a cut connection again, as the customer."""
    company = sandbox.world.company(params["company_id"])
    cut = (connections.UNLINKED, connections.DEAUTHORIZED)
    connection = _choose(company, wanted.connection_id, cut)
    connections.link(sandbox.world, company, connection)
    return views.connection(company, connection)


@portal.post("/companies/{company_id}/unlink")
def unlink(sandbox: Sandbox, params: dict[str, str], wanted: ConnectionChoice) -> dict[str, Any]:
    """Cut a connection; `deauthorize` means that the customer cut it."""
    company = sandbox.world.company(params["company_id"])
    connection = _choose(company, wanted.connection_id, (reads.LINKED,))
    connections.unlink(sandbox.world, company, connection, by_customer=wanted.deauthorize)
    return views.connection(company, connection)


@portal.post("/portal/refresh")
def refresh(sandbox: Sandbox, _: dict[str, str], wanted: PortalRefresh) -> dict[str, Any]:
    """Press the Portal's Refresh data button, which uses client-level settings only."""
    company = sandbox.world.company(wanted.company_id)
    return {"fetches": data.refresh_all(sandbox.world, company)}


@portal.post("/reads/start")
def start_read(sandbox: Sandbox, _: dict[str, str], wanted: StartRead) -> dict[str, Any]:
    """Start a read by hand; it holds the lock until its time is over or it is completed by hand."""
    company = sandbox.world.company(wanted.company_id)
    product = _product(sandbox, wanted.product_identifier)
    kinds = wanted.data_types or (product.data_types if product else _synced(sandbox))
    if wrong := [kind for kind in kinds if kind not in DATA_TYPES]:
        raise BadInput("dataTypes", wrong, ", ".join(DATA_TYPES))
    targets = reads.targets(company, kinds)
    if not targets:
        links = [
            f"{connection.platform_key}: {connection.status}"
            for connection in company.connections.values()
        ]
        raise BadInput("companyId", company.id, f"a company whose links can be read, not {links}")
    pace = reads.Pace(wanted.seconds)
    read = reads.start(sandbox.world, company, _reader(product), targets, pace=pace)
    return {"readId": read.id if read else None, "dataTypes": sorted({kind for _, kind in targets})}


@portal.post("/reads/complete")
def complete_read(sandbox: Sandbox, _: dict[str, str], wanted: CompleteRead) -> dict[str, Any]:
    """End the running reads of a product; without one nothing happens."""
    company = sandbox.world.company(wanted.company_id)
    reader = _reader(_product(sandbox, wanted.product_identifier))
    possible = reads.running_types(company, reader) or DATA_TYPES
    if wrong := [kind for kind in wanted.statuses if kind not in possible]:
        raise BadInput("statuses", wrong, ", ".join(possible))
    return {"completed": reads.complete_now(sandbox.world, company, reader, wanted.statuses)}


@portal.get("/products")
def list_products(sandbox: Sandbox, _: dict[str, str]) -> list[dict[str, Any]]:
    """List the products that Codat has for this client."""
    return [_product_view(product) for product in sandbox.world.state.products.values()]


@portal.put("/products/{identifier}")
def define(sandbox: Sandbox, params: dict[str, str], wanted: ProductDefinition) -> dict[str, Any]:
    """Set up or change a custom product; its schedule runs from now on."""
    if wrong := [kind for kind in wanted.data_types if kind not in DATA_TYPES]:
        raise BadInput("dataTypes", wrong, ", ".join(DATA_TYPES))
    known = sandbox.world.state.products.get(params["identifier"])
    if known and not known.custom:
        raise BadInput(
            "identifier", known.identifier, "a custom product; this is a standard product"
        )
    product = Product(
        params["identifier"], wanted.name, True, wanted.data_types, wanted.sync_schedule
    )
    sandbox.world.state.products[product.identifier] = product
    for company in sandbox.world.state.companies.values():
        if product.identifier in company.products:
            schedules.plan_product(sandbox.world, company, product, schedules.interval(product))
    return _product_view(product)


def _choose(company: Company, wanted: str | None, statuses: tuple[str, ...]) -> Connection:
    """Return the named connection, or the only possible one."""
    possible = {
        connection.id: connection
        for connection in company.connections.values()
        if connection.status in statuses
    }
    if wanted is None and len(possible) == 1:
        return next(iter(possible.values()))
    if wanted is None or wanted not in possible:
        allowed = f"one that is {' or '.join(statuses)}: {', '.join(possible) or 'there is none'}"
        raise BadInput("connectionId", wanted, allowed)
    return possible[wanted]


def _product(sandbox: Sandbox, identifier: str | None) -> Product | None:
    products = sandbox.world.state.products
    if identifier is None:
        return None
    if identifier not in products:
        raise BadInput("productIdentifier", identifier, ", ".join(products))
    return products[identifier]


def _reader(product: Product | None) -> str | None:
    """Return the custom product; None for a standard product, which has plain reads."""
    return product.identifier if product and product.custom else None


def _synced(sandbox: Sandbox) -> list[str]:
    return [setting.data_type for setting in sandbox.world.state.client_settings.settings]


def _product_view(product: Product) -> dict[str, Any]:
    return {
        "identifier": product.identifier,
        "name": product.name,
        "custom": product.custom,
        "dataTypes": product.data_types,
        "syncSchedule": product.sync_schedule,
    }
