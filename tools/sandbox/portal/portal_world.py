"""/_sandbox: what a customer or the Portal does to companies and reads, and Codat's own set-up."""

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
    """Everything that Codat knows, in short."""
    return overview.of(sandbox)


@portal.post("/companies/{company_id}/link")
def link(sandbox: Sandbox, params: dict[str, str], wanted: Link) -> dict[str, Any]:
    """The customer links a platform: a waiting connection of it, or a new one."""
    company = sandbox.world.company(params["company_id"])
    if wanted.platform_key not in PLATFORMS:
        raise BadInput("platformKey", wanted.platform_key, ", ".join(PLATFORMS))
    waiting = [
        one
        for one in company.connections.values()
        if one.platform_key == wanted.platform_key and one.status == connections.PENDING
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
    """The customer authorises a connection again that was cut."""
    company = sandbox.world.company(params["company_id"])
    cut = (connections.UNLINKED, connections.DEAUTHORIZED)
    connection = _choose(company, wanted.connection_id, cut)
    connections.link(sandbox.world, company, connection)
    return views.connection(company, connection)


@portal.post("/companies/{company_id}/unlink")
def unlink(sandbox: Sandbox, params: dict[str, str], wanted: ConnectionChoice) -> dict[str, Any]:
    """Cut a connection; `deauthorize` means the customer did."""
    company = sandbox.world.company(params["company_id"])
    connection = _choose(company, wanted.connection_id, (reads.LINKED,))
    connections.unlink(sandbox.world, company, connection, by_customer=wanted.deauthorize)
    return views.connection(company, connection)


@portal.post("/portal/refresh")
def refresh(sandbox: Sandbox, _: dict[str, str], wanted: PortalRefresh) -> dict[str, Any]:
    """The Portal's Refresh data button: client-level settings only."""
    company = sandbox.world.company(wanted.company_id)
    return {"fetches": data.refresh_all(sandbox.world, company)}


@portal.post("/reads/start")
def start_read(sandbox: Sandbox, _: dict[str, str], wanted: StartRead) -> dict[str, Any]:
    """Start a read by hand; it holds the lock until its time is over or it is completed."""
    company = sandbox.world.company(wanted.company_id)
    product = _product(sandbox, wanted.product_identifier)
    kinds = wanted.data_types or (product.data_types if product else _synced(sandbox))
    if wrong := [kind for kind in kinds if kind not in DATA_TYPES]:
        raise BadInput("dataTypes", wrong, ", ".join(DATA_TYPES))
    targets = reads.targets(company, kinds)
    if not targets:
        links = [f"{one.platform_key}: {one.status}" for one in company.connections.values()]
        raise BadInput("companyId", company.id, f"a company whose links can be read, not {links}")
    pace = reads.Pace(wanted.seconds)
    read = reads.start(sandbox.world, company, _reader(product), targets, pace=pace)
    return {"readId": read.id if read else None, "dataTypes": sorted({kind for _, kind in targets})}


@portal.post("/reads/complete")
def complete_read(sandbox: Sandbox, _: dict[str, str], wanted: CompleteRead) -> dict[str, Any]:
    """End what runs for a product now; with nothing running nothing happens."""
    company = sandbox.world.company(wanted.company_id)
    reader = _reader(_product(sandbox, wanted.product_identifier))
    possible = reads.running_types(company, reader) or DATA_TYPES
    if wrong := [kind for kind in wanted.statuses if kind not in possible]:
        raise BadInput("statuses", wrong, ", ".join(possible))
    return {"completed": reads.complete_now(sandbox.world, company, reader, wanted.statuses)}


@portal.get("/products")
def list_products(sandbox: Sandbox, _: dict[str, str]) -> list[dict[str, Any]]:
    """The products Codat has for this client."""
    return [_product_view(one) for one in sandbox.world.state.products.values()]


@portal.put("/products/{identifier}")
def define(sandbox: Sandbox, params: dict[str, str], wanted: ProductDefinition) -> dict[str, Any]:
    """Set up a custom product, or change one; its schedule runs from now on."""
    if wrong := [kind for kind in wanted.data_types if kind not in DATA_TYPES]:
        raise BadInput("dataTypes", wrong, ", ".join(DATA_TYPES))
    known = sandbox.world.state.products.get(params["identifier"])
    if known and not known.custom:
        raise BadInput("identifier", known.identifier, "a custom product; this is a standard one")
    product = Product(
        params["identifier"], wanted.name, True, wanted.data_types, wanted.sync_schedule
    )
    sandbox.world.state.products[product.identifier] = product
    for company in sandbox.world.state.companies.values():
        if product.identifier in company.products:
            schedules.plan_product(sandbox.world, company, product, schedules.interval(product))
    return _product_view(product)


def _choose(company: Company, wanted: str | None, statuses: tuple[str, ...]) -> Connection:
    """The connection that is named, or the only one it can be."""
    possible = {one.id: one for one in company.connections.values() if one.status in statuses}
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
    """Standard products are read as plain reads."""
    return product.identifier if product and product.custom else None


def _synced(sandbox: Sandbox) -> list[str]:
    return [one.data_type for one in sandbox.world.state.client_settings.settings]


def _product_view(product: Product) -> dict[str, Any]:
    return {
        "identifier": product.identifier,
        "name": product.name,
        "custom": product.custom,
        "dataTypes": product.data_types,
        "syncSchedule": product.sync_schedule,
    }
