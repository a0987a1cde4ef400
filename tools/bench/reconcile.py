"""`python -m tools.bench.reconcile` reconciles many companies, with and without drift.

It runs the sandbox with that many companies and the State table on moto, in this process,
and prints what each run took: calls to Codat, items written, seconds. Calls are as fast as the
sandbox answers; in Lambda they are five a second at most. A run is killed half-way. In the last
run one company of a hundred is unreadable in Codat's list, or Codat refuses questions about it. The
exit code is 1 if the calls are not the fewest possible, or an odd company costs more than itself.
"""

import argparse
import os
import sys
import time
from datetime import timedelta
from importlib import import_module
from math import ceil
from typing import Any

FAKE = {
    "AWS_DEFAULT_REGION": "eu-west-2",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "POWERTOOLS_SERVICE_NAME": "codat-hub",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
}


def main(companies: int, *, odd: bool) -> int:
    """Return the exit code."""
    os.environ.update(FAKE)
    if odd:
        made = import_module("tools.simulation.reconciling")
        wrong = odd_companies(made.Codats(companies), made.Clock())
        print("\n".join(wrong) or "the odd companies cost themselves alone")
        return bool(wrong)
    # they read their environment when they are imported
    import boto3  # noqa: PLC0415
    from moto import mock_aws  # noqa: PLC0415

    create_table = import_module("tools.simulation.tables").create_table
    made = import_module("tools.simulation.reconciling")
    with mock_aws():
        dynamodb = boto3.client("dynamodb")
        table = made.OnDynamoDB(dynamodb, create_table(dynamodb, "StateTable"))
        began = time.perf_counter()
        codat = made.Codats(companies)
        hub = made.Hub(codat, table)
        hub.register()
        print(f"{companies} companies seeded in {time.perf_counter() - began:.0f} s")
        return Bench(hub, companies).run()


class Bench:
    """One hub that is reconciled several times."""

    def __init__(self, hub: Any, companies: int) -> None:
        self.hub = hub
        self.pages = ceil(companies / 100)
        self.wrong: list[str] = []

    def run(self) -> int:
        self._measure("import into an empty directory", self._whole, overdue=0)
        self.hub.assign_everything()
        self.hub.clock.ahead += timedelta(minutes=2)
        self._measure("nothing has changed", self._whole, overdue=0)
        self._measure("nothing has changed, killed half-way", self._killed, overdue=0)
        self.hub.clock.ahead += timedelta(days=2)
        self._measure("every scheduled product overdue", self._whole, overdue=self._overdue())
        self._freshness()
        self.wrong += odd_companies(self.hub.codat, self.hub.clock)
        print("\n".join(self.wrong) or "as few calls as can be")
        return bool(self.wrong)

    def _measure(self, name: str, act: Any, overdue: int) -> None:
        self.hub.codat.forget_requests()
        self.hub.table.puts.clear()
        began = time.perf_counter()
        run = act()
        took = time.perf_counter() - began
        writes = sum(n for kind, n in self.hub.table.puts.items() if kind.startswith("COMPANY"))
        print(
            f"{name:38} {run.status} {took:5.0f} s  {run.counts['codat_calls']:6} calls"
            f"  {writes:6} writes about companies  {sum(self.hub.table.puts.values()):6} in all"
        )
        # client id, settings and consumers; the pages; some companies' own settings; the overdue
        expected = 3 + self.pages + run.counts["overrides_read"] + overdue
        if run.counts["codat_calls"] != expected:
            self.wrong.append(f"{name}: {run.counts['codat_calls']} calls, expected {expected}")

    def _whole(self) -> Any:
        return self.hub.run()

    def _killed(self) -> Any:
        class Killed(BaseException):
            pass

        left = iter(range(self.pages // 2))

        def has_time() -> bool:
            if next(left, None) is None:
                raise Killed
            return True

        run = self.hub.begin("bench")
        try:
            self.hub.go_on(run, has_time)
        except Killed:
            self.hub.clock.ahead += timedelta(minutes=6)
            self.hub.restarted().go_on(run)
        kept, _ = self.hub.runs.get(run.reconcile_id)
        if kept.resumed != 1 or kept.counts["companies"] != len(self.hub.codat.companies):
            self.wrong.append(f"killed half-way: {kept}")
        return kept

    def _overdue(self) -> int:
        linked = {
            company_id
            for company_id, company in self.hub.companies.get_many(self.hub.codat.companies).items()
            if company.linked
        }
        theirs = self.hub.codat.companies.values()
        return sum(
            "invoice-finance" in company.products for company in theirs if company.id in linked
        )

    def _freshness(self) -> None:
        from codat_hub.product_events.usecases.measure_freshness import MeasureFreshness  # noqa: PLC0415
        from codat_hub.storage.cursor import Cursor  # noqa: PLC0415
        from codat_hub.storage.items import SHARDS  # noqa: PLC0415

        hub = self.hub
        measure = MeasureFreshness(
            hub.companies, hub.assignments, hub.read_states, hub.registry, SHARDS, now=hub.clock
        )
        began, rows, pages = time.perf_counter(), 0, 0
        place: Cursor | None = Cursor()
        while place is not None:
            page = measure.page(None, place, 200)
            rows, pages, place = rows + len(page.rows), pages + 1, page.following
        took = time.perf_counter() - began
        print(f"freshness: {rows} rows on {pages} pages, {took:.0f} s in all, no call to Codat")


def odd_companies(codat: Any, clock: Any) -> list[str]:
    """Reconcile while one company of a hundred is odd, and return what is not as it should be."""
    made = import_module("tools.simulation.reconciling")
    hub = made.Hub(codat, clock=clock)  # in memory, as no write is counted
    hub.register()
    hub.assign_everything()
    hub.run()
    hub.clock.ahead += timedelta(days=2)
    odd = made.OddCompanies(hub)
    began = time.perf_counter()
    run = hub.run()
    took = time.perf_counter() - began
    print(
        f"{'1 % unreadable, refused or odd':38} {run.status} {took:5.0f} s"
        f"  {len(odd.unreadable)} unreadable and {len(odd.refused)} refused, listed by name;"
        f" {len(odd.names)} others right"
    )
    return [f"with odd companies, it is not so: {said}" for said in odd.wrong(hub, run)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.bench.reconcile", description=__doc__)
    parser.add_argument("--companies", type=int, default=10_000, help="(default 10,000)")
    parser.add_argument("--odd", action="store_true", help="only the run with odd companies")
    given = parser.parse_args()
    sys.exit(main(given.companies, odd=given.odd))
