"""A company to be created at Codat, its limits, and the outcome."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

from codat_hub.errors import Problem
from codat_hub.products.domain.product_rules import cut, data_type_problems, is_shown

if TYPE_CHECKING:
    from collections.abc import Mapping

# Codat's limits (docs/codat.md, C59)
MOST_TAGS: Final = 10
LONGEST_TAG_KEY: Final = 27
LONGEST_TAG_VALUE: Final = 100
LONGEST_NAME: Final = 200
MOST_PRODUCTS: Final = 20  # two calls to Codat for each, and API Gateway waits 29 s


@dataclass(frozen=True, slots=True)
class Grant:
    """A consent as the client reports it, to be recorded."""

    granted_by: str
    text_version: str
    data_types: tuple[str, ...]

    def problems(self, where: str = "") -> list[Problem]:
        """Return every problem; `where` goes before each field's name."""
        found = data_type_problems(self.data_types, f"{where}data_types")
        texts = {"granted_by": self.granted_by, "text_version": self.text_version}
        return found + [
            Problem(f"{where}{name}", "not a text that can be shown", cut(text), "printable text")
            for name, text in texts.items()
            if not is_shown(text)
        ]


@dataclass(frozen=True, slots=True)
class NewCompany:
    """A company to be created; `consents`: product -> the consent that was given before."""

    name: str
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    products: tuple[str, ...] = ()
    consents: Mapping[str, Grant] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """Return a digest that two different requests do not share."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def problems(self) -> list[Problem]:
        """Return every problem with the request."""
        found = []
        if not is_shown(self.name, LONGEST_NAME):
            allowed = f"1 to {LONGEST_NAME} printable characters"
            found.append(Problem("name", "not a name that can be shown", cut(self.name), allowed))
        if self.description is not None and not is_shown(self.description, 500):
            shown = cut(self.description)
            found.append(Problem("description", "not a text that can be shown", shown))
        found += self._tag_problems()
        if len(set(self.products)) < len(self.products) or len(self.products) > MOST_PRODUCTS:
            allowed = f"at most {MOST_PRODUCTS}, each once"
            found.append(Problem("products", "too many, or a product twice", allowed=allowed))
        if len(self.consents) > MOST_PRODUCTS:
            allowed = f"at most {MOST_PRODUCTS}"
            return [*found, Problem("consents", "too many", str(len(self.consents)), allowed)]
        for product, grant in self.consents.items():
            found += grant.problems(f"consents.{cut(product)}.")
        return found

    def _tag_problems(self) -> list[Problem]:
        found = []
        if len(self.tags) > MOST_TAGS:
            found.append(Problem("tags", "too many", str(len(self.tags)), f"at most {MOST_TAGS}"))
        for key, value in self.tags.items():
            if not is_shown(key, LONGEST_TAG_KEY) or not is_shown(value, LONGEST_TAG_VALUE):
                allowed = (
                    f"a key of 1 to {LONGEST_TAG_KEY} and a value of 1 to {LONGEST_TAG_VALUE} "
                    "printable characters"
                )
                found.append(Problem("tags", "not a tag", cut(f"{key}={value}"), allowed))
        return found


@dataclass(frozen=True, slots=True)
class CodatCompany:
    """A company as Codat shows it; `products` is None when the answer does not name them."""

    company_id: str
    name: str | None = None
    products: tuple[str, ...] | None = None
    link_url: str | None = field(default=None, repr=False)  # a secret: opens the authorisation


@dataclass(frozen=True, slots=True)
class ProductOutcome:
    """A product's outcome: assigned, refused (see `detail`) or failed (repeat the request)."""

    product: str
    status: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class CreatedCompany:
    """A created company, with the outcome of each product that was asked for."""

    company: CodatCompany
    products: tuple[ProductOutcome, ...] = ()

    @property
    def complete(self) -> bool:
        """Tell whether every product is assigned; if not, a repeat of the request goes on."""
        return all(outcome.status == "assigned" for outcome in self.products)
