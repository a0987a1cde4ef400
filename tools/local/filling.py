"""Fills a new local hub through the control API, as an operator does with `tools/hub`."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from tools.cli import product_file, registry
from tools.cli.api import ControlApi, segment
from tools.local.processes import POLL, StepFailed

type Json = dict[str, Any]

# A larger sandbox is a load test; it does not need a consent for each company.
MOST_COMPANIES: Final = 50
_AT_ONCE: Final = 4  # the emulator runs this many processes of a function
_RECONCILE_SECONDS: Final = 120.0
_GRANTED_BY: Final = "owner@customer.example"


def fill(api: ControlApi, products: Path, say: Callable[[str], None]) -> None:
    """Apply the products, import the companies, record their consents. Safe to repeat.

    Raises StepFailed and the failures of the control API.
    """
    wanted = product_file.load(products)
    registry.apply(api, wanted)
    _reconcile(api)
    companies = [company for page in api.pages("companies", "companies") for company in page]
    chosen = [company["company_id"] for company in companies[:MOST_COMPANIES]]
    given = _consent(api, chosen, wanted.products)
    _reconcile(api)  # now that consents cover them, the products at Codat count as assigned
    say(f"{len(wanted.products)} products, {len(companies)} companies, {given} consents")


def _reconcile(api: ControlApi) -> None:
    """Run a reconcile, by which the hub learns the companies, and wait for its end."""
    path = f"reconciles/{segment(api.post('reconciles')['reconcile_id'])}"
    deadline = time.monotonic() + _RECONCILE_SECONDS
    while time.monotonic() < deadline:
        run = api.get(path)
        if run["status"] == "complete":
            return
        if run["status"] == "failed":
            raise StepFailed(f"the reconcile failed: {run.get('error')}")
        time.sleep(POLL * 4)
    raise StepFailed(f"the reconcile did not end within {_RECONCILE_SECONDS:.0f} s")


def _consent(api: ControlApi, companies: list[str], products: dict[str, Json]) -> int:
    """Record the missing consents of each company to each product; return how many there are."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return sum(pool.map(lambda company: _consent_of(api, company, products), companies))


def _consent_of(api: ControlApi, company: str, products: dict[str, Json]) -> int:
    path = f"companies/{segment(company)}/consents"
    known = {consent["product"] for consent in api.get(path)["consents"]}
    lacking = [name for name in products if name not in known]
    for name in lacking:
        body = {
            "granted_by": _GRANTED_BY,
            "text_version": products[name].get("consent_text_version", "1"),
            "data_types": products[name].get("data_types", []),
        }
        api.put(f"{path}/{segment(name)}", body)
    return len(known | products.keys())
