"""The page at the root shows a person what Codat knows now."""

from html import escape
from itertools import islice
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tools.sandbox.page import page_world
from tools.sandbox.page.markup import STYLE, folded, mood, table
from tools.sandbox.portal import overview
from tools.sandbox.portal.portal import is_local, refusal
from tools.sandbox.runtime import Sandbox
from tools.sandbox.webhooks.model import Delivery
from tools.sandbox.world.moments import codat_date

MOST_ROWS: Final = 100
REFRESH_SECONDS: Final = 3


def respond(sandbox: Sandbox, request: Request) -> Response:
    """Answer GET / with the page."""
    if not is_local(request):
        return refusal()
    sandbox.tick()
    return HTMLResponse(render(sandbox, request.query_params.get("q")))


def render(sandbox: Sandbox, wanted: str | None = None) -> str:
    """Return the page; long lists are cut, with a note. A search (even "") stops its updates."""
    refresh = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if wanted is None else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"{refresh}"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Codat sandbox</title><style>{STYLE}</style></head><body><main>"
        f"<h1>Codat sandbox</h1><p>{escape(_clock(sandbox))}</p>"
        f"{_numbers(overview.counts(sandbox))}"
        f"{_reads(sandbox)}{_consumers(sandbox)}{_deliveries(sandbox)}"
        f"{page_world.companies(sandbox, wanted, MOST_ROWS)}"
        f"{page_world.failing(sandbox, MOST_ROWS)}"
        f"{page_world.products(sandbox)}{page_world.settings(sandbox)}"
        "</main></body></html>"
    )


def _clock(sandbox: Sandbox) -> str:
    time = codat_date(sandbox.world.now)[:19].replace("T", " ")
    return f"{time} UTC, running at {sandbox.clock.speed:g} times real time"


def _numbers(counts: dict[str, int]) -> str:
    labels = {
        "companies": "companies",
        "activeCompanies": "with a linked connection",
        "reads": "reads in progress",
        "consumers": "webhook consumers",
        "pending": "deliveries pending",
        "delivered": "delivered",
        "failed": "failed",
    }
    shown = (f"<li><b>{counts[key]:,}</b>{label}</li>" for key, label in labels.items())
    return f"<ul>{''.join(shown)}</ul>"


def _reads(sandbox: Sandbox) -> str:
    running = [
        (company, read)
        for company in sandbox.world.state.companies.values()
        for read in company.reads.values()
    ]
    rows = []
    for company, read in running[:MOST_ROWS]:
        seen = overview.read(sandbox, company, read)
        statuses = ", ".join(f"{kind}: {status}" for kind, status in seen["statuses"].items())
        product = read.product or "client-level or standard"
        kind = "first read" if read.initial else "refresh"
        rows.append([escape(company.name), escape(product), kind, escape(statuses)])
    return table("Reads in progress", ["Company", "For", "Kind", "Data"], rows, len(running))


def _consumers(sandbox: Sandbox) -> str:
    every = sandbox.office.state.consumers.values()
    rows = [
        [
            f"{escape(consumer.url)}<br><code>{consumer.id}</code>",
            folded(consumer.event_types, "event types"),
            escape(", ".join(consumer.company_tags or []) or "all companies"),
            mood("failed", "disabled") if consumer.disabled else mood("delivered", "enabled"),
        ]
        for consumer in every
    ]
    return table("Webhook consumers", ["Address", "Events", "For", "State"], rows, len(every))


def _deliveries(sandbox: Sandbox) -> str:
    every = sandbox.office.state.deliveries
    rows = [
        _delivery(sandbox, delivery) for delivery in islice(reversed(every.values()), MOST_ROWS)
    ]
    heads = ["Event", "To", "Attempts", "State"]
    return table("Deliveries, newest first", heads, rows, len(every))


def _delivery(sandbox: Sandbox, delivery: Delivery) -> list[str]:
    post = sandbox.office.state
    message = post.messages.get(delivery.message_id)
    consumer = post.consumers.get(delivery.consumer_id)
    attempts = ", ".join(str(attempt.status or attempt.error) for attempt in delivery.attempts)
    return [
        f"{escape(message.event_type if message else '')}<br><code>{delivery.message_id}</code>",
        escape(consumer.url if consumer else "a consumer that was deleted"),
        escape(attempts),
        mood(delivery.state.value),
    ]
