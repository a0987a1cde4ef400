"""The rules for a product to be registered. Every problem is found, not only the first."""

from __future__ import annotations

import re
from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from codat_hub.codat.domain.data_types import DATA_TYPES
from codat_hub.errors import Problem
from codat_hub.products.domain.product import STANDARD, ProductKind
from codat_hub.products.domain.schedule_expression import problems as schedule_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codat_hub.products.domain.product import Product, Schedule

# An identifier is part of event types, table keys and URLs, so it has no `#`, blank or slash.
# Codat's identifiers have letters, digits and hyphens (docs/codat.md, C54).
IDENTIFIER: Final = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"
IDENTIFIER_ALLOWED: Final = (
    "letters, digits, '.', '_' and '-', 64 at most; the first and last are letters or digits"
)
LONGEST_TEXT: Final = 200
MOST_PRODUCTS: Final = 200
_LONGEST_VALUE: Final = 100


def registry_problems(products: Sequence[Product]) -> list[Problem]:
    """Return every problem with a whole registry, by fields such as `products[2].kind`."""
    if found := too_many(len(products)):
        return found
    for name, times in Counter(product.identifier for product in products).items():
        if times > 1:
            found.append(Problem("products", f"named {times} times", name, "each product once"))
    for number, product in enumerate(products):
        found += product_problems(product, f"products[{number}].")
    return found


def too_many(count: int) -> list[Problem]:
    """Return the problem with a registry of this many products, or nothing."""
    if count <= MOST_PRODUCTS:
        return []
    return [Problem("products", "too many products", str(count), f"at most {MOST_PRODUCTS}")]


def product_problems(product: Product, where: str = "") -> list[Problem]:
    """Return every problem with a product; `where` goes before each field's name."""
    found = identifier_problems(product.identifier, f"{where}product")
    found += data_type_problems(product.data_types, f"{where}data_types")
    found += _text_problems(product, where)
    if product.kind not in set(ProductKind):
        found.append(
            Problem(f"{where}kind", "unknown kind", cut(product.kind), "standard or custom")
        )
    if product.kind == ProductKind.CUSTOM and not product.data_types:
        found.append(Problem(f"{where}data_types", "a custom product reads at least one data type"))
    if product.schedule is not None:
        found += _schedule_problems(product, product.schedule, where)
    return found


def identifier_problems(identifier: str, field: str) -> list[Problem]:
    """Return the problem with a product's identifier, or nothing."""
    value = cut(identifier)
    if not re.fullmatch(IDENTIFIER, identifier, re.ASCII):
        return [Problem(field, "not a product identifier", value, IDENTIFIER_ALLOWED)]
    if identifier == STANDARD or "read.completed" in identifier or ".." in identifier:
        message = "the identifier would make product events ambiguous"
        return [Problem(field, message, value, "no 'standard', 'read.completed' or '..'")]
    return []


def data_type_problems(data_types: Iterable[str], field: str) -> list[Problem]:
    """Return the unknown and the repeated data types, with suggestions."""
    found = []
    for name, times in Counter(data_types).items():
        if name not in DATA_TYPES:
            near = get_close_matches(name, DATA_TYPES, n=3)
            meant = f"did you mean {' or '.join(near)}?" if near else "one of Codat's data types"
            found.append(Problem(field, "unknown data type", cut(name), meant))
        elif times > 1:
            found.append(Problem(field, f"named {times} times", name, "each data type once"))
    return found


def cut(value: str) -> str:
    """Return a value as a problem shows it: 100 characters at most."""
    return value if len(value) <= _LONGEST_VALUE else f"{value[: _LONGEST_VALUE - 1]}…"


def _schedule_problems(product: Product, schedule: Schedule, where: str) -> list[Problem]:
    found = []
    if product.kind == ProductKind.STANDARD:
        found.append(
            Problem(
                f"{where}schedule",
                "a standard product cannot be refreshed by schedule: Codat's refresh serves custom "
                "products only",
                cut(schedule.expression),
                "no schedule, or kind custom",
            )
        )
    shown = cut(f"{schedule.expression} in {schedule.timezone}")
    return found + [
        Problem(f"{where}schedule", text, shown) for text in schedule_problems(schedule)
    ]


def _text_problems(product: Product, where: str) -> list[Problem]:
    texts = {
        "name": product.name,
        "team": product.team,
        "consent_text_version": product.consent_text_version,
    }
    allowed = f"1 to {LONGEST_TEXT} printable characters"
    return [
        Problem(f"{where}{field}", "not a text that can be shown", cut(text), allowed)
        for field, text in texts.items()
        if text is not None and not is_shown(text)
    ]


def is_shown(text: str, longest: int = LONGEST_TEXT) -> bool:
    """Tell whether a text can be shown: printable, not blank, and at most `longest` characters."""
    return text.isprintable() and bool(text.strip()) and len(text) <= longest
