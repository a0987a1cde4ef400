"""Link and cut connections, and start the first reads that follow (docs/codat.md, C61)."""

from typing import Final

from tools.sandbox.companies import views
from tools.sandbox.reads import reads, records, windows
from tools.sandbox.requests.errors import CodatError, connection_not_found, invalid_request
from tools.sandbox.settings import sync_settings
from tools.sandbox.world.model import Company, Connection, ConnectionFault
from tools.sandbox.world.platforms import PLATFORMS
from tools.sandbox.world.world import World

PENDING: Final = "PendingAuth"
UNLINKED: Final = "Unlinked"
DEAUTHORIZED: Final = "Deauthorized"


def find(company: Company, connection_id: str) -> Connection:
    """Return the connection, or raise Codat's 404."""
    if connection := company.connections.get(connection_id):
        return connection
    raise connection_not_found(connection_id)


def create(world: World, company: Company, platform_key: str) -> Connection:
    """Add a connection that waits for the customer."""
    if platform_key not in PLATFORMS:
        raise CodatError(404, f"No integration was found with platform key {platform_key}")
    connection = Connection(
        id=world.ids.uuid(),
        platform_key=platform_key,
        source_id=world.ids.uuid(),
        status=PENDING,
        created=world.now,
    )
    company.connections[connection.id] = connection
    _tell(world, "connection.created", company, connection)
    return connection


def link(world: World, company: Company, connection: Connection) -> None:
    """Link a connection, for the first time or again, and read all its data."""
    refuse_second_ledger(company, connection.platform_key)
    again = connection.linked is not None
    connection.errors = []
    connection.linked = connection.linked or world.now
    set_status(world, company, connection, reads.LINKED)
    _tell(world, f"connection.{'reconnected' if again else 'connected'}", company, connection)
    _first_reads(world, company, connection)


def fail(world: World, company: Company, connection: Connection) -> None:
    """Announce that the customer gave up while linking."""
    connection.errors.append(ConnectionFault("403", "User cancelled linking", world.now))
    _tell(world, "connection.failed", company, connection)


def unlink(world: World, company: Company, connection: Connection, *, by_customer: bool) -> None:
    """Stop syncing, by the client or by the customer; data that was read stays readable."""
    if by_customer:
        text = "The integration de-authorized access to the connection."
        connection.errors.append(ConnectionFault("401", text, world.now))
    set_status(world, company, connection, DEAUTHORIZED if by_customer else UNLINKED)
    _tell(world, "connection.disconnected", company, connection)
    world.plan(world.now, "client.replan", company=company.id)


def delete(world: World, company: Company, connection: Connection) -> None:
    """Remove the connection with all its data."""
    payload = views.connection(company, connection)
    set_status(world, company, connection, UNLINKED)
    del company.connections[connection.id]
    windows.forget_connection(company, connection.id)
    records.forget(world, connection.id)
    for latest in (company.latest, company.latest_complete):
        for key in [key for key in latest if key.startswith(f"{connection.id}|")]:
            del latest[key]
    about = {"referenceCompany": views.reference(company), "connection": payload}
    world.emit("connection.deleted", about, about=company)


def set_status(world: World, company: Company, connection: Connection, status: str) -> None:
    """Change the status, and with it the count of active companies that sets the quota."""
    was_active = is_active(company)
    connection.status = status
    world.state.active_companies += is_active(company) - was_active


def is_active(company: Company) -> bool:
    """Tell whether the company has a linked connection, so that Codat reads it."""
    return any(connection.status == reads.LINKED for connection in company.connections.values())


def refuse_second_ledger(company: Company, platform_key: str) -> None:
    """Refuse a second active accounting connection of a company (docs/codat.md, C61)."""
    if PLATFORMS[platform_key].source_type != "Accounting":
        return
    for other in company.connections.values():
        is_ledger = PLATFORMS[other.platform_key].source_type == "Accounting"
        if is_ledger and other.status == reads.LINKED:
            raise invalid_request(f"The company has an active accounting connection: {other.id}.")


def _first_reads(world: World, company: Company, connection: Connection) -> None:
    """Start one plain read (client settings, standard products) and one per custom product."""
    assigned = [world.state.products[identifier] for identifier in company.products]
    plain = [
        setting.data_type
        for setting in sync_settings.effective(world, company)
        if setting.fetch_on_first_link
    ]
    plain += [kind for product in assigned if not product.custom for kind in product.data_types]
    reads.start(world, company, None, reads.targets(company, plain, connection), initial=True)
    for product in assigned:
        if product.custom:
            targets = reads.targets(company, product.data_types, connection)
            reads.start(world, company, product.identifier, targets, initial=True)


def _tell(world: World, event_type: str, company: Company, connection: Connection) -> None:
    payload = {
        "referenceCompany": views.reference(company),
        "connection": views.connection(company, connection),
    }
    world.emit(event_type, payload, about=company)
