"""Environment variables: one frozen class per Lambda, in the order of its template entry."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

# What one refresh at a time holds for. (DESIGN.md §5)
COMPANY_SCOPE: Final = "company"
PRODUCT_SCOPE: Final = "product"


class SettingsError(Exception):
    """The function's environment is not what its settings need; the text lists every problem."""


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


def number() -> Any:
    """Declare a number above 0, such as 0.01; the variable's name says the unit."""

    def read(raw: str) -> float:
        if not re.fullmatch(r"\d+(\.\d+)?", raw, re.ASCII) or not float(raw):
            raise ValueError("expected a number above 0")
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
    """Declare a text that is one of these."""

    def read(raw: str) -> str:
        if raw not in allowed:
            raise ValueError(f"expected {' or '.join(allowed)}")
        return raw

    return field(metadata={"read": read})


class _Settings:
    """Reads each field from the variable of the same name in capitals."""

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """Raise SettingsError naming every missing or malformed variable at once."""
        env = os.environ if env is None else env
        values: dict[str, object] = {}
        problems: list[str] = []
        for each in fields(cls):  # type: ignore[arg-type]  # every subclass is a dataclass
            read: Callable[[str], object] = each.metadata["read"]
            name = each.name.upper()
            try:
                values[each.name] = read(env.get(name, ""))
            except ValueError as error:
                problems.append(f"{name}: {error}, got {env.get(name)!r}")
        if problems:
            raise SettingsError("; ".join(problems))
        return cls(**values)


@dataclass(frozen=True)
class ReceiveWebhookSettings(_Settings):
    inbox_table: str = text()
    signing_secrets_arn: str = text()
    inbox_retention_days: int = count()
    secret_reload_seconds: int = count()


@dataclass(frozen=True)
class ProjectReadsSettings(_Settings):
    state_table: str = text()
    product_bus: str = text()
    refresh_queue_url: str = text()
    lease_scope: str = one_of(COMPANY_SCOPE, PRODUCT_SCOPE)


@dataclass(frozen=True)
class RunMigrationStepSettings(_Settings):
    """`wait_scale`: 1 but on the local stack; `webhooks_url`: up to the consumer's name."""

    state_table: str = text()
    consents_table: str = text()
    manifest_bucket: str = text()
    codat_api_key_arn: str = text()
    codat_base_url: str = text()
    codat_client_id: str = text_or_nothing()
    codat_calls_a_second: float = number()
    wait_scale: float = number()
    webhooks_url: str = text()


@dataclass(frozen=True)
class WatchMigrationsSettings(_Settings):
    state_table: str = text()
    migration_state_machine_arn: str = text()


@dataclass(frozen=True)
class ReplayWebhooksSettings(_Settings):
    inbox_table: str = text()
    state_table: str = text()
    product_bus: str = text()


@dataclass(frozen=True)
class ReconcileSettings(_Settings):
    state_table: str = text()
    consents_table: str = text()
    codat_api_key_arn: str = text()
    codat_base_url: str = text()
    codat_client_id: str = text_or_nothing()
    signing_secrets_arn: str = text()
    webhooks_api_id: str = text()
    webhook_domain: str = text_or_nothing()
    migration_state_machine_arn: str = text()


@dataclass(frozen=True)
class ControlApiSettings(_Settings):
    environment: str = text()
    state_table: str = text()
    consents_table: str = text()
    codat_api_key_arn: str = text()
    codat_base_url: str = text()
    codat_client_id: str = text_or_nothing()
    send_products_on_create: bool = flag()
    schedule_group: str = text()
    planner_arn: str = text()
    scheduler_role_arn: str = text()
    schedule_failures_arn: str = text()
    reconcile_queue_url: str = text()
    replay_queue_url: str = text()
    refresh_queue_url: str = text()
    migration_state_machine_arn: str = text()
    migration_approver: str = text()
    signing_secrets_arn: str = text()


@dataclass(frozen=True)
class PlanRefreshesSettings(_Settings):
    state_table: str = text()
    refresh_queue_url: str = text()
    refresh_jitter_seconds: int = whole()


@dataclass(frozen=True)
class DispatchRefreshesSettings(_Settings):
    state_table: str = text()
    refresh_queue_url: str = text()


@dataclass(frozen=True)
class RefreshProductSettings(_Settings):
    state_table: str = text()
    refresh_queue_url: str = text()
    lease_scope: str = one_of(COMPANY_SCOPE, PRODUCT_SCOPE)
    codat_api_key_arn: str = text()
    codat_base_url: str = text()
    codat_client_id: str = text_or_nothing()
