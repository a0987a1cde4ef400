"""Reads environment variables: one module and one frozen class for each Lambda.

The fields have the order of the function's variables in template.yaml. A Lambda imports only its
own module, because making these classes takes a part of its cold start.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import field, fields
from typing import Any, Final, Self

# What a running read keeps busy at Codat: the whole company, or one product (docs/codat.md, C20).
COMPANY_SCOPE: Final = "company"
PRODUCT_SCOPE: Final = "product"


class SettingsError(Exception):
    """Variables are missing or malformed; the text lists all of them."""


def text() -> Any:
    """Declare a variable that must not be empty."""

    def read(raw: str) -> str:
        if not raw:
            raise ValueError("expected a text")
        return raw

    return field(metadata={"read": read})


def text_or_nothing() -> Any:
    """Declare a variable that may be empty."""
    return field(metadata={"read": str})


def flag() -> Any:
    """Declare a variable that is true or false."""

    def read(raw: str) -> bool:
        if raw not in {"true", "false"}:
            raise ValueError("expected true or false")
        return raw == "true"

    return field(metadata={"read": read})


def count() -> Any:
    """Declare a whole number of at least 1; the variable's name says the unit."""

    def read(raw: str) -> int:
        if not (raw.isascii() and raw.isdecimal() and int(raw) > 0):
            raise ValueError("expected a whole number of at least 1")
        return int(raw)

    return field(metadata={"read": read})


def number(*, zero: bool = False) -> Any:
    """Declare a number above 0 (`zero`: or 0), such as 0.01; the variable's name says the unit."""

    def read(raw: str) -> float:
        if not re.fullmatch(r"\d+(\.\d+)?", raw, re.ASCII) or not (zero or float(raw)):
            raise ValueError(
                "expected a number of 0 or more" if zero else "expected a number above 0"
            )
        return float(raw)

    return field(metadata={"read": read})


def whole() -> Any:
    """Declare a whole number of 0 or more; the variable's name says the unit."""

    def read(raw: str) -> int:
        if not (raw.isascii() and raw.isdecimal()):
            raise ValueError("expected a whole number of 0 or more")
        return int(raw)

    return field(metadata={"read": read})


def one_of(*allowed: str) -> Any:
    """Declare a text with a fixed set of values."""

    def read(raw: str) -> str:
        if raw not in allowed:
            raise ValueError(f"expected {' or '.join(allowed)}")
        return raw

    return field(metadata={"read": read})


class Settings:
    """Base class: each field comes from the variable of the same name in capitals."""

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """Return the settings. Raises SettingsError with every missing or malformed variable."""
        env = os.environ if env is None else env
        values: dict[str, object] = {}
        problems: list[str] = []
        for variable in fields(cls):  # type: ignore[arg-type]  # every subclass is a dataclass
            read: Callable[[str], object] = variable.metadata["read"]
            name = variable.name.upper()
            try:
                values[variable.name] = read(env.get(name, ""))
            except ValueError as error:
                problems.append(f"{name}: {error}, got {env.get(name)!r}")
        if problems:
            raise SettingsError("; ".join(problems))
        return cls(**values)
