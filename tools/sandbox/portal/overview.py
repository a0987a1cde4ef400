"""A short view of what Codat knows, for /_sandbox/state and for the page."""

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
    """Show clock, settings, products, companies, consumers and counts of deliveries."""
    world, post = sandbox.world, sandbox.office.state
    return {
        "time": codat_date(world.now),
        "speed": sandbox.clock.speed,
        "counts": counts(sandbox),
        "dailyQuota": rate_limits.daily_quota(world.state),
        "quotaRemaining": rate_limits.remaining(world.state),
        "syncSettings": sync_settings.client_view(world),
        "companies": [company(sandbox, known) for known in world.state.companies.values()],
        "webhooks": [consumers.view(consumer) for consumer in post.consumers.values()],
    }


def counts(sandbox: Sandbox) -> dict[str, int]:
    """Count companies, reads, consumers, messages and deliveries."""
    post = sandbox.office.state
    deliveries = [delivery.state.value for delivery in post.deliveries.values()]
    companies = sandbox.world.state.companies.values()
    return {
        "companies": len(companies),
        "activeCompanies": sandbox.world.state.active_companies,
        "reads": sum(len(company.reads) for company in companies),
        "consumers": len(post.consumers),
        "messages": len(post.messages),
        "pending": deliveries.count("pending"),
        "delivered": deliveries.count("delivered"),
        "failed": deliveries.count("failed"),
    }


def company(sandbox: Sandbox, known: Company) -> dict[str, Any]:
    """Show a company with its products, connections, running reads and windows."""
    return {
        "id": known.id,
        "name": known.name,
        "tags": known.tags,
        "products": known.products,
        "connections": [
            {
                "id": link.id,
                "platform": PLATFORMS[link.platform_key].name,
                "platformKey": link.platform_key,
                "sourceType": PLATFORMS[link.platform_key].source_type,
                "status": link.status,
            }
            for link in known.connections.values()
        ],
        "overridesDefaults": bool(known.override and known.override.overrides_defaults),
        "failing": known.trouble,
        "reads": [read(sandbox, known, running) for running in known.reads.values()],
    }


def read(sandbox: Sandbox, known: Company, running: Read) -> dict[str, Any]:
    """Show a running read, with the status of each of its fetches."""
    datasets = [known.datasets[dataset_id] for dataset_id in running.dataset_ids]
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
