"""Compares the product registry with a file, and applies the file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tools.cli.api import ControlApi
from tools.cli.failures import FieldError, Refused
from tools.cli.product_file import ProductFile

type Json = dict[str, Any]

ITEMS: Final = "products"
_FIELDS: Final = (
    "kind",
    "name",
    "data_types",
    "schedule.expression",
    "schedule.timezone",
    "schedule.enabled",
    "team",
    "consent_text_version",
)
_DEFAULTS: Final = {"schedule.timezone": "UTC", "schedule.enabled": True}


@dataclass(frozen=True)
class Change:
    """A product that would change. `fields`: field -> (now, then)."""

    product: str
    action: str  # add, change, remove
    fields: Mapping[str, tuple[Any, Any]]

    def as_json(self) -> Json:
        fields = {name: {"now": now, "then": then} for name, (now, then) in self.fields.items()}
        return {"product": self.product, "action": self.action, "fields": fields}


def registered(api: ControlApi) -> dict[str, Json]:
    """Return the registered products by identifier."""
    return {product["product"]: product for product in api.get("products")[ITEMS]}


def changes(now: Mapping[str, Json], then: Mapping[str, Json]) -> list[Change]:
    """Return the changes from one registry to another, sorted by identifier."""
    found = []
    for product in sorted(now.keys() | then.keys()):
        before, after = _flat(now.get(product)), _flat(then.get(product))
        fields = {
            name: (before.get(name), after.get(name))
            for name in _FIELDS
            if before.get(name) != after.get(name)
        }
        if fields or (product in now) != (product in then):
            action = "add" if product not in now else "change" if product in then else "remove"
            found.append(Change(product, action, fields))
    return found


def apply(api: ControlApi, file: ProductFile, *, dry_run: bool = False) -> Json:
    """Apply the file to the registry; a dry run only returns the hub's answer.

    Raises Refused with the lines of the file; then nothing was changed.
    """
    products = [{"product": name, **body} for name, body in file.products.items()]
    try:
        return api.put(ITEMS, {ITEMS: products}, dry_run=dry_run or None)
    except Refused as refused:
        raise _with_lines(refused, file, list(file.products)) from None


def _with_lines(refused: Refused, file: ProductFile, order: list[str]) -> Refused:
    errors = tuple(_with_line(error, file, order) for error in refused.errors)
    return Refused(refused.status, str(refused), errors, refused.hint)


def _with_line(error: FieldError, file: ProductFile, order: list[str]) -> FieldError:
    parts = error.field.replace("[", ".").replace("]", "").split(".")
    if len(parts) > 1 and parts[0] == ITEMS and parts[1].isdecimal():
        number = int(parts[1])
        parts[1] = order[number] if number < len(order) else parts[1]
    field = ".".join(parts)
    line = file.line_of(field)
    return replace(error, field=f"line {line}, {field}") if line else error


def _flat(product: Json | None) -> Json:
    """Return the fields that have a value; a field of the schedule is `schedule.<name>`."""
    if product is None:
        return {}
    flat = {name: value for name, value in product.items() if name != "schedule"}
    schedule = product.get("schedule")
    if schedule:
        flat |= _DEFAULTS | {f"schedule.{name}": value for name, value in schedule.items()}
    return {name: value for name, value in flat.items() if value not in (None, [])}
