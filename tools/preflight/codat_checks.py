"""Checks of Codat's side, as far as the API key allows: client, quota, products, consumers."""

import difflib
import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from codat_hub.codat.adapters.api_key import GivenKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.transport import Transport, new_http
from codat_hub.codat.errors import CallFailed, Unauthorized
from codat_hub.companies.domain.company import LINKED
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.products.domain.schedule_expression import next_after, problems
from codat_hub.rate_limiting.domain.pace import PER_SECOND
from codat_hub.reconcile.adapters.codat_observer import Observer
from codat_hub.reconcile.domain import consumers
from codat_hub.reconcile.domain.drift import EXPLAINED, Severity
from codat_hub.webhooks.hub_address import HubAddress
from codat_hub.webhooks.signing_secret_store import SigningSecretStore
from tools.cli import product_file
from tools.cli.failures import Misused
from tools.preflight.check import Check, failed, passed, unknown
from tools.preflight.target import Target
from tools.samconfig import ROOT

PRODUCTS: Final = ROOT / "products.yaml"
_PAGES: Final = 5  # of 100 companies; the rest is estimated from them
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Companies:
    """Codat's companies. `scale`: how many there are for each one on the first pages."""

    total: int
    scale: float
    linked: int
    having: Counter[str]  # product: linked companies that have it
    seen: frozenset[str]  # products of any company

    def holders(self, product: str) -> int:
        """Estimate how many linked companies have the product."""
        return math.ceil(self.having[product] * self.scale)


def codat(target: Target) -> list[Check]:
    """Ask Codat with the stack's key, or with the one that the person gave."""
    key = target.codat_key or _stored_key(target)
    if not key:
        then = (
            f"tools/hub secrets set-api-key --env {target.environment}, once the stack exists;"
            f" or CODAT_API_KEY=… make preflight ENV={target.environment}"
        )
        return [unknown("Codat", "there is no API key to ask with", then)]
    client = CodatClient(
        Transport(new_http(), GivenKey(key), base_url=target.parameters["CodatBaseUrl"])
    )
    try:
        return _ask(target, client, Observer(client))
    except Unauthorized:
        then = f"tools/hub secrets set-api-key --env {target.environment}"
        return [failed("Codat client", "Codat refuses the API key", then)]
    except CallFailed as error:
        return [unknown("Codat", f"Codat does not answer: {error}", "Try it again later.")]


def _ask(target: Target, client: CodatClient, observer: Observer) -> list[Check]:
    checks = [_client(target, client.client_id())]
    try:
        products = [
            _product(identifier, fields)
            for identifier, fields in product_file.load(PRODUCTS).products.items()
        ]
    except Misused as error:
        return [*checks, failed("products", str(error), "Correct products.yaml.")]
    companies = _companies(observer)
    checks += _products(products, companies)
    checks += _quota(products, companies, observer)
    checks.append(_one_kind(target.environment, observer, products, companies))
    return checks + _consumers(target, observer, products)


def _stored_key(target: Target) -> str | None:
    """Return the stack's API key, None if there is none or the caller may not read it."""
    if "CodatApiKeyArn" not in target.outputs:
        return None
    try:
        secret = target.client("secretsmanager").get_secret_value(
            SecretId=target.outputs["CodatApiKeyArn"]
        )
    except ClientError:
        return None
    return str(secret.get("SecretString", "")).strip() or None


def _client(target: Target, client_id: str) -> Check:
    name, bound_to = "Codat client", target.parameters["CodatClientId"]
    if bound_to == client_id:
        return passed(name, client_id)
    found = f"the key belongs to {client_id}; CodatClientId is {bound_to or 'empty'}"
    then = (
        f"Put CodatClientId={client_id} into parameter_overrides of"
        f" [{target.environment}.deploy.parameters], if this is the client of"
        f" {target.environment}; else: tools/hub secrets set-api-key --env {target.environment}"
    )
    return failed(name, found, then)


def _product(identifier: str, fields: dict[str, Any]) -> Product:
    schedule = fields.get("schedule")
    return Product(
        identifier,
        ProductKind(fields["kind"]),
        data_types=tuple(fields.get("data_types", ())),
        schedule=Schedule(**schedule) if schedule else None,
    )


def _companies(observer: Observer) -> Companies:
    """Look at the first companies and estimate the rest."""
    looked, total, having, linked, seen = 0, 0, Counter[str](), 0, set[str]()
    for page in range(1, _PAGES + 1):
        answer = observer.companies(page)
        total = answer.total or 0
        for company in answer.companies:
            looked += 1
            products = set(company.products or ())
            seen |= products
            if any(link.status == LINKED for link in (company.connections or {}).values()):
                linked += 1
                having.update(products)
        if not answer.has_next:
            break
    scale = max(1.0, total / looked) if looked else 1.0
    return Companies(max(total, looked), scale, math.ceil(linked * scale), having, frozenset(seen))


def _products(products: list[Product], companies: Companies) -> list[Check]:
    """Compare products.yaml with the products that companies have. Codat has no list of them."""
    checks = []
    for product in products:
        name = f"product {product.identifier}"
        if product.identifier in companies.seen:
            checks.append(passed(name, f"{companies.holders(product.identifier)} linked companies"))
            continue
        alike = difflib.get_close_matches(product.identifier, companies.seen, 1, 0.8)
        if alike and alike[0] not in {other.identifier for other in products}:
            then = f"Write {alike[0]} in products.yaml, if this product is meant."
            checks.append(failed(name, f"no company has it, but some have {alike[0]}", then))
        else:
            checks.append(unknown(name, "no company has it yet, so Codat does not show it"))
    return checks


def _quota(products: list[Product], companies: Companies, observer: Observer) -> list[Check]:
    """Compare the calls that the schedules ask for with Codat's daily quota."""
    limit = observer.quota.limit if observer.quota else None
    rows, wanted = [], 0
    for product in products:
        schedule = product.schedule
        if schedule is None or not schedule.enabled:
            continue
        name = f"refreshes of {product.identifier}"
        if wrong := problems(schedule):
            rows.append(failed(name, wrong[0], "Correct the schedule in products.yaml."))
            continue
        holders = companies.holders(product.identifier) or companies.linked
        calls = holders * slots_a_day(schedule, datetime.now(UTC))
        wanted += calls
        share = f", {calls / limit:.0%} of the quota" if limit else ""
        minutes = math.ceil(holders / PER_SECOND / 60)
        rows.append(passed(name, f"{calls} calls a day{share}; {minutes} min for each slot"))
    if limit is None:
        return [*rows, unknown("Codat's quota", f"{wanted} calls a day; Codat states no quota")]
    found = f"{wanted} calls a day of {limit}"
    if wanted > limit:
        then = "Make schedules in products.yaml rarer, or ask Codat for a larger quota."
        return [*rows, failed("Codat's quota", found, then)]
    return [*rows, passed("Codat's quota", found)]


def slots_a_day(schedule: Schedule, now: datetime) -> int:
    """Count the slots of the next 24 hours."""
    slots, at = 0, next_after(schedule, now)
    while at is not None and at <= now + _DAY:
        slots, at = slots + 1, next_after(schedule, at)
    return slots


def _one_kind(
    environment: str, observer: Observer, products: list[Product], companies: Companies
) -> Check:
    """Report schedules of the client beside products, which read the same data twice."""
    name = "sync settings"
    on = observer.settings().schedules
    ours = [p.identifier for p in products if companies.having[p.identifier]]
    if not on:
        return passed(name, "only products' schedules are on")
    if not ours:
        return passed(name, f"only client-level schedules are on ({len(on)} data types)")
    then = (
        f"tools/hub migrations plan --env {environment}, which moves the companies to products; or"
        " switch the client-level schedules off in the Codat Portal."
    )
    found = f"{len(on)} client-level schedules are on, and companies have {', '.join(ours)}"
    return failed(name, found, then)


def _consumers(target: Target, observer: Observer, products: list[Product]) -> list[Check]:
    """Check Codat's webhook consumers as reconcile does. They need the stack's address."""
    name, outputs = "webhook consumers", target.outputs
    if not {"WebhookUrl", "WebhooksApiId", "SigningSecretsArn"} <= outputs.keys():
        return [unknown(name, "they need the address of the stack, which is not there yet")]
    hub = HubAddress(outputs["WebhookUrl"].rpartition("/")[0], outputs["WebhooksApiId"])
    store = SigningSecretStore(target.client("secretsmanager"), outputs["SigningSecretsArn"])
    observed = observer.consumers()
    drifts = consumers.check(
        observed.consumers, hub, products, list(store.read()), complete=not observed.unread
    )
    wrong = [
        failed(name, f"{drift.subject}: {drift.detail}", EXPLAINED[drift.kind].to_do)
        for drift in drifts
        if EXPLAINED[drift.kind].severity is not Severity.INFO
    ]
    if target.parameters["WebhookDefaultEndpoint"] == "disabled":
        own = urlsplit(hub.url).hostname
        wrong += [
            failed(name, f"{known.url} is not at {own}", f"Change it in the Portal to {own}.")
            for known in observed.consumers
            if hub.consumer_of(known.url) and urlsplit(known.url).hostname != own
        ]
    ours = sum(hub.consumer_of(known.url) is not None for known in observed.consumers)
    return wrong or [passed(name, f"{ours} of the hub, all enabled, each with its secret")]
