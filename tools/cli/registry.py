"""The product registry against a file: what would change, and making it so."""

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
    """One product that would change; `fields`: field -> (now, then), all of a new or gone one."""

    product: str
    action: str  # add, change, remove
    fields: Mapping[str, tuple[Any, Any]]

    def as_json(self) -> Json:
        fields = {name: {"now": now, "then": then} for name, (now, then) in self.fields.items()}
        return {"product": self.product, "action": self.action, "fields": fields}


def registered(api: ControlApi) -> dict[str, Json]:
    """Return the hub's products by identifier."""
    return {one["product"]: one for one in api.get("products")[ITEMS]}


def changes(now: Mapping[str, Json], then: Mapping[str, Json]) -> list[Change]:
    """Return what makes the one registry the other, in the order of identifiers."""
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
    """Make the hub's registry this file's, or only ask what the hub says to it.

    Raises Refused, which names the file's lines; then nothing was changed.
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
    """Return the fields that have a value, those of the schedule beside the others."""
    if product is None:
        return {}
    flat = {name: value for name, value in product.items() if name != "schedule"}
    schedule = product.get("schedule")
    if schedule:
        flat |= _DEFAULTS | {f"schedule.{name}": one for name, one in schedule.items()}
    return {name: value for name, value in flat.items() if value not in (None, [])}
