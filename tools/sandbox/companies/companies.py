"""Companies are created, replaced, updated and deleted here (docs/codat.md, C59)."""

import re
from typing import Any, Final

from tools.sandbox.companies import connections, products, views
from tools.sandbox.options import ProductsOnCreate
from tools.sandbox.reads import reads, records
from tools.sandbox.requests.errors import CodatError, invalid_request
from tools.sandbox.world.model import Company
from tools.sandbox.world.world import World

# Other characters are taken out of a name, not refused: `Company (Codat[1])` → `Company Codat1`.
_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9\s\-',&@.?!]")
_MOST_TAGS: Final = 10
_LONGEST_KEY: Final = 27
_LONGEST_VALUE: Final = 100
_CREATOR: Final = "platform-integration@client.example"


def create(world: World, body: dict[str, Any]) -> Company:
    """Add a company, with its products if the request has some (docs/codat.md, C55)."""
    wanted = _products(world, body)
    company = Company(
        id=world.ids.uuid(),
        name=_name(body.get("name")),
        created=world.now,
        description=_description(body.get("description")),
        created_by=_CREATOR,
        tags=_tags(body.get("tags")),
    )
    world.state.companies[company.id] = company
    world.emit("company.created", views.company_details(company) | {"products": wanted}, company)
    for identifier in wanted:
        products.assign(world, company, identifier)
    return company


def replace(company: Company, body: dict[str, Any]) -> None:
    """Set name, description and tags; clear each that the body leaves out."""
    name = _name(body.get("name"))
    description, tags = _description(body.get("description")), _tags(body.get("tags"))
    company.name, company.description, company.tags = name, description, tags


def update(company: Company, body: dict[str, Any]) -> None:
    """Set the fields of the body; one that is null or missing stays (docs/codat.md, C60)."""
    name = company.name if body.get("name") is None else _name(body["name"])
    description = _description(body.get("description"))
    tags = company.tags if body.get("tags") is None else _tags(body["tags"])
    company.name, company.tags = name, tags
    company.description = company.description if description is None else description


def delete(world: World, company: Company) -> None:
    """Remove a company with its connections and data; running reads end without an event."""
    for product in {read.product for read in company.reads.values()}:
        reads.cancel(world, company, product)
    for connection in list(company.connections.values()):
        connections.delete(world, company, connection)
        records.forget(world, connection.id)
    del world.state.companies[company.id]
    world.emit("company.deleted", views.company_details(company), company)


def _products(world: World, body: dict[str, Any]) -> list[str]:
    policy = world.options.products_on_create
    wanted = [] if body.get("products") is None else body["products"]
    if policy is ProductsOnCreate.IGNORE:
        return []
    if policy is ProductsOnCreate.REQUIRE and not wanted:
        raise invalid_request("At least one product must be assigned to a new company.")
    if not isinstance(wanted, list):
        raise invalid_request("products must be a list.")
    for identifier in wanted:
        if not isinstance(identifier, str) or identifier not in world.state.products:
            raise CodatError(400, f"Error processing request - unknown product {identifier}.")
    return list(dict.fromkeys(wanted))


def _name(value: Any) -> str:
    name = _FORBIDDEN.sub("", value) if isinstance(value, str) else ""
    if not name:
        raise invalid_request("name is required.")
    return name


def _description(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise invalid_request("description must be a text.")


def _tags(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    fits = (
        isinstance(value, dict)
        and len(value) <= _MOST_TAGS
        and all(1 <= len(key) <= _LONGEST_KEY for key in value)
        and all(isinstance(entry, str) and len(entry) <= _LONGEST_VALUE for entry in value.values())
    )
    if not fits:
        raise invalid_request(
            f"tags: at most {_MOST_TAGS}, keys of 1 to {_LONGEST_KEY} characters, "
            f"values of at most {_LONGEST_VALUE}."
        )
    return dict(value)
