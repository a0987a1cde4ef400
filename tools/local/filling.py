"""Fills a new local hub through the control API, as an operator would with `tools/hub`."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from tools.cli import product_file, registry
from tools.cli.api import ControlApi, segment
from tools.local.processes import POLL, StepFailed

type Json = dict[str, Any]

# More is no longer a hub to play with: a person's consents are not made up by the thousand.
MOST_COMPANIES: Final = 50
_AT_ONCE: Final = 4  # the emulator runs as many of a function's processes
_RECONCILE_SECONDS: Final = 120.0
_GRANTED_BY: Final = "owner@customer.example"


def fill(api: ControlApi, products: Path, say: Callable[[str], None]) -> None:
    """Apply the products, import the companies, record their consents. Safe to repeat.

    Raises StepFailed, and what the control API raises.
    """
    wanted = product_file.load(products)
    registry.apply(api, wanted)
    _reconcile(api)
    companies = [one for page in api.pages("companies", "companies") for one in page]
    chosen = [one["company_id"] for one in companies[:MOST_COMPANIES]]
    given = _consent(api, chosen, wanted.products)
    _reconcile(api)  # what Codat has is the hub's too, now that consents cover it
    say(f"{len(wanted.products)} products, {len(companies)} companies, {given} consents")


def _reconcile(api: ControlApi) -> None:
    """Compare with Codat, which is how the hub learns of companies; wait until it is over."""
    path = f"reconciles/{segment(api.post('reconciles')['reconcile_id'])}"
    deadline = time.monotonic() + _RECONCILE_SECONDS
    while time.monotonic() < deadline:
        run = api.get(path)
        if run["status"] == "complete":
            return
        if run["status"] == "failed":
            raise StepFailed(f"the reconcile failed: {run.get('error')}")
        time.sleep(POLL * 4)
    raise StepFailed(f"the reconcile was not over after {_RECONCILE_SECONDS:.0f} s")


def _consent(api: ControlApi, companies: list[str], products: dict[str, Json]) -> int:
    """Record a consent of every company to every product that it has not agreed to yet."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return sum(pool.map(lambda company: _consent_of(api, company, products), companies))


def _consent_of(api: ControlApi, company: str, products: dict[str, Json]) -> int:
    path = f"companies/{segment(company)}/consents"
    known = {one["product"] for one in api.get(path)["consents"]}
    lacking = [name for name in products if name not in known]
    for name in lacking:
        body = {
            "granted_by": _GRANTED_BY,
            "text_version": products[name].get("consent_text_version", "1"),
            "data_types": products[name].get("data_types", []),
        }
        api.put(f"{path}/{segment(name)}", body)
    return len(known | products.keys())
