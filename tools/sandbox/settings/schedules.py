"""Client-level schedules run until they are disabled, product-level ones as configured."""

from datetime import datetime, timedelta
from typing import Final

from tools.sandbox.reads import reads
from tools.sandbox.settings import sync_settings
from tools.sandbox.world.model import ANYONE, AgendaEntry, Company, Connection, Product
from tools.sandbox.world.world import World

# A longer interval would not fit a datetime.
_LONGEST_HOURS: Final = 87_600


def on_replan(world: World, entry: AgendaEntry) -> None:
    """Plan anew, because settings, connections or the last sync have changed."""
    if company := world.state.companies.get(entry.args["company"]):
        plan_client(world, company)


def plan_client(world: World, company: Company) -> None:
    """Plan a company's next client-level read; older plans are void."""
    due = [moment for _, _, moment in _client_dues(world, company)]
    company.plans[ANYONE] = 0
    if due:
        moment = max(min(due), world.now)
        company.plans[ANYONE] = world.plan(moment, "client.schedule", company=company.id)


def on_client_schedule(world: World, entry: AgendaEntry) -> None:
    """Read all data types that are due under client-level settings, in one operation."""
    company = world.state.companies.get(entry.args["company"])
    if company is None or company.plans.get(ANYONE) != entry.number:
        return
    due = [(link, kind) for link, kind, at in _client_dues(world, company) if at <= world.now]
    reads.start(world, company, None, due)
    plan_client(world, company)


def plan_product(world: World, company: Company, product: Product, first: timedelta) -> None:
    """Start a product's own schedule for a company; its first read is after `first`."""
    company.plans[product.identifier] = 0
    if product.sync_schedule:
        company.plans[product.identifier] = world.plan(
            world.now + first, "product.schedule", company=company.id, product=product.identifier
        )


def on_product_schedule(world: World, entry: AgendaEntry) -> None:
    """Read a product's data types; while a read runs, wait for the next slot."""
    company = world.state.companies.get(entry.args["company"])
    product = world.state.products.get(entry.args["product"])
    if company is None or product is None or company.plans.get(product.identifier) != entry.number:
        return
    if not reads.is_locked(world, company, product.identifier):
        targets = reads.targets(company, product.data_types)
        reads.start(world, company, product.identifier if product.custom else None, targets)
    plan_product(world, company, product, interval(product))


def interval(product: Product) -> timedelta:
    """Return the time from one scheduled read to the next."""
    return timedelta(hours=min(product.sync_schedule, _LONGEST_HOURS))


def _client_dues(world: World, company: Company) -> list[tuple[Connection, str, datetime]]:
    """Return each scheduled data type of each linked connection, with its due time.

    The next run is the last run plus the interval (docs/codat.md, C64), not before a running read
    is over. A read that is held by hand is followed by a plan when it ends.
    """
    hours = {
        setting.data_type: setting.sync_schedule
        for setting in sync_settings.effective(world, company)
    }
    scheduled = [data_type for data_type, every in hours.items() if every > 0]
    dues = []
    for connection, data_type in reads.targets(company, scheduled):
        key = f"{connection.id}|{data_type}"
        running = reads.dataset_in_progress(company, key)
        if running and running.ends is None:
            continue
        last = company.datasets.get(company.latest.get(key, ""))
        since = last.requested if last else connection.linked or world.now
        wait = timedelta(hours=min(hours[data_type], _LONGEST_HOURS))
        moment = since + wait
        if running and running.ends:
            moment = max(moment, running.ends)
        dues.append((connection, data_type, moment))
    return dues
