"""What Codat knows, in short: for /_sandbox/state and for the page."""

from typing import Any

from tools.sandbox.reads import progress
from tools.sandbox.requests import rate_limits
from tools.sandbox.runtime import Sandbox
from tools.sandbox.settings import sync_settings
from tools.sandbox.webhooks import consumers
from tools.sandbox.world.model import Company, Read
from tools.sandbox.world.moments import codat_date
from tools.sandbox.world.platforms import PLATFORMS


def of(sandbox: Sandbox) -> dict[str, Any]:
    """Clock, settings, products, every company, consumers and counts of deliveries."""
    world, post = sandbox.world, sandbox.office.state
    return {
        "time": codat_date(world.now),
        "speed": sandbox.clock.speed,
        "counts": counts(sandbox),
        "dailyQuota": rate_limits.daily_quota(world.state),
        "quotaRemaining": rate_limits.remaining(world.state),
        "syncSettings": sync_settings.client_view(world),
        "companies": [company(sandbox, one) for one in world.state.companies.values()],
        "webhooks": [consumers.view(one) for one in post.consumers.values()],
    }


def counts(sandbox: Sandbox) -> dict[str, int]:
    """How many of each there are."""
    post = sandbox.office.state
    deliveries = [delivery.state.value for delivery in post.deliveries.values()]
    companies = sandbox.world.state.companies.values()
    return {
        "companies": len(companies),
        "activeCompanies": sandbox.world.state.active_companies,
        "reads": sum(len(one.reads) for one in companies),
        "consumers": len(post.consumers),
        "messages": len(post.messages),
        "pending": deliveries.count("pending"),
        "delivered": deliveries.count("delivered"),
        "failed": deliveries.count("failed"),
    }


def company(sandbox: Sandbox, one: Company) -> dict[str, Any]:
    """A company: its products, connections, running reads, and where its windows stand."""
    return {
        "id": one.id,
        "name": one.name,
        "tags": one.tags,
        "products": one.products,
        "connections": [
            {
                "id": link.id,
                "platform": PLATFORMS[link.platform_key].name,
                "platformKey": link.platform_key,
                "sourceType": PLATFORMS[link.platform_key].source_type,
                "status": link.status,
            }
            for link in one.connections.values()
        ],
        "overridesDefaults": bool(one.override and one.override.overrides_defaults),
        "failing": one.trouble,
        "reads": [read(sandbox, one, running) for running in one.reads.values()],
    }


def read(sandbox: Sandbox, one: Company, running: Read) -> dict[str, Any]:
    """A read in progress, with the status of each of its fetches."""
    datasets = [one.datasets[dataset_id] for dataset_id in running.dataset_ids]
    return {
        "id": running.id,
        "product": running.product,
        "initial": running.initial,
        "started": codat_date(running.started),
        "statuses": {
            dataset.key.partition("|")[2]: progress.status_at(dataset, sandbox.world.now)
            for dataset in datasets
        },
    }
