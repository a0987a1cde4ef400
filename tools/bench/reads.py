"""`python -m tools.bench.reads` counts what requests and scheduled functions read and write.

It calls each GET route and each scheduled function on a hub in memory, then again with twice as
many companies, products, due tickets, and runs and entries of the past. Then it runs the
dispatcher and asks what is overdue with 200 products on 5,000 companies. A read is a request to the
table, an entry of its index, or an item. The exit code is 1 if a cost grows as it must not.
"""

import argparse
import sys
import time
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.simulation.silence import silence

_MOST_READS = 5000  # of one run of the dispatcher
_MOST_SECONDS = 20  # of processor time, of the same
_MOST_OF_A_PAGE = 200  # reads of a page of what is overdue


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.reads", description=__doc__)
    parser.add_argument("--companies", type=int, default=5000, help="(default 5,000)")
    parser.add_argument("--products", type=int, default=200, help="(default 200)")
    given = parser.parse_args()
    console = Console(width=150)
    with silence():
        wrong = [*_operations(console), *_many(console, given.products, given.companies)]
    console.print("\n".join(wrong) or "no cost grows as it must not")
    return bool(wrong)


def _operations(console: Console) -> list[str]:
    bounds: Any = import_module("tools.simulation.read_bounds")
    found = bounds.growths()
    base = found["as it is"]
    size = bounds.BASE
    table = Table(
        title=f"{size.companies} companies with {size.products} products each, "
        f"{size.tickets:,} due tickets, {size.history} of everything that is past"
    )
    table.add_column("reads, writes")
    for name in found:
        table.add_column(name, justify="right")
    for title in base:
        table.add_row(title, *(_shown(costs[title], base[title]) for costs in found.values()))
    console.print(table)
    return list(bounds.wrong(found))


def _shown(cost: tuple[int, int], base: tuple[int, int]) -> str:
    reads, writes = cost
    text = f"{reads:,}, {writes:,}" if writes else f"{reads:,}"
    return "=" if cost == base and cost is not base else text


def _many(console: Console, products: int, companies: int) -> list[str]:
    worlds: Any = import_module("tools.simulation.many_products")
    table = Table(title=f"{products} products on {companies:,} companies")
    for name in ("", "reads", "writes", "seconds of processor time"):
        table.add_column(name, justify="right" if name else "left")
    wrong = []

    def measure(name: str, world: Any, act: Any, most: int) -> None:
        began = time.process_time()
        with worlds.Cost(world.table) as cost:
            said = act()
        took = time.process_time() - began
        table.add_row(f"{name}: {said}", f"{cost.reads:,}", f"{cost.writes:,}", f"{took:.2f}")
        if cost.reads > most or took > _MOST_SECONDS:
            wrong.append(f"{name}: {cost.reads} reads in {took:.0f} s")

    world = worlds.due_tickets(products, companies)
    name = "a run of the dispatcher, every ticket due"
    measure(name, world, lambda: f"{world.dispatcher().sent} sent", _MOST_READS)
    for late, kind in ((True, "everything overdue"), (False, "nothing overdue")):
        world = worlds.overdue_products(products, companies, late=late)
        ask: Any = worlds.first_overdue_page(world)
        measure(f"a page of what is overdue, {kind}", world, ask, _MOST_OF_A_PAGE)
    console.print(table)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
