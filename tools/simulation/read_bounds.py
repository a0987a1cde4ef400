"""How the cost of each request and scheduled function may grow with the size of the hub."""

from dataclasses import replace

from tools.simulation.reads_world import Size, costs

BASE = Size()
_FEW = 20  # reads that do not count


def growths(base=BASE, *, judged_only=False):
    """Return the costs of all operations by what is twice as large.

    judged_only: leave out what `wrong` does not judge
    """
    double = {
        "as it is": {},
        "2 x companies": {"companies": 2 * base.companies},
        "2 x products": {"products": 2 * base.products},
        "2 x both": {"companies": 2 * base.companies, "products": 2 * base.products},
        "2 x tickets": {"tickets": 2 * base.tickets},
        "2 x past": {"history": 2 * base.history},
    }
    if judged_only:
        double = {name: double[name] for name in ("as it is", "2 x both", "2 x past")}
    return {name: costs(replace(base, **changes)) for name, changes in double.items()}


def wrong(found):
    """Yield each operation that grows with companies x products, or with what is past."""
    for title, (reads, writes) in found["as it is"].items():
        before = reads + writes
        both, past = (sum(found[name][title]) for name in ("2 x both", "2 x past"))
        if both > 2.2 * before + _FEW:
            yield f"{title}: {before} becomes {both} with twice the companies and products"
        if past > 1.1 * before + _FEW:
            yield f"{title}: {before} becomes {past} with twice the past"
