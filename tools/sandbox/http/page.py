"""The page at the root: what Codat "thinks" now, for a person to read."""

from collections.abc import Iterable
from html import escape
from itertools import islice
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tools.sandbox.http import overview
from tools.sandbox.http.portal import is_local, refusal
from tools.sandbox.moments import codat_date
from tools.sandbox.runtime import Sandbox
from tools.sandbox.webhooks.model import Delivery

MOST_ROWS: Final = 100
REFRESH_SECONDS: Final = 3

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; background: #f6f7f9; margin: 0 }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem }
p { margin: .25rem 0; color: #5b6673 }
table { width: 100%; border-collapse: collapse; background: #fff; border: 1px solid #e1e5ea }
th, td { text-align: left; vertical-align: top; padding: .4rem .7rem }
th, td { border-top: 1px solid #eef0f3 }
th { font-weight: 600; color: #5b6673; border-top: 0 }
code { font: 12px/1.4 ui-monospace, monospace; color: #5b6673 }
ul { display: flex; flex-wrap: wrap; gap: .5rem 2rem; list-style: none; padding: 0; margin: 1rem 0 }
ul b { display: block; font-size: 1.3rem }
.bad { color: #a3341f } .good { color: #1c6b45 } .wait { color: #8a5a00 }
"""
_MOODS: Final = {
    "Linked": "good",
    "delivered": "good",
    "PendingAuth": "wait",
    "pending": "wait",
    "failed": "bad",
    "Unlinked": "bad",
    "Deauthorized": "bad",
}


def respond(sandbox: Sandbox, request: Request) -> Response:
    """GET /."""
    if not is_local(request):
        return refusal()
    sandbox.tick()
    return HTMLResponse(render(sandbox))


def render(sandbox: Sandbox) -> str:
    """The whole page; long lists are cut, with a note."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Codat sandbox</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>Codat sandbox</h1><p>{escape(_clock(sandbox))}</p>"
        f"{_numbers(overview.counts(sandbox))}"
        f"{_reads(sandbox)}{_consumers(sandbox)}{_deliveries(sandbox)}{_companies(sandbox)}"
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
    return _table("Reads in progress", ["Company", "For", "Kind", "Data"], rows, len(running))


def _consumers(sandbox: Sandbox) -> str:
    every = sandbox.office.state.consumers.values()
    rows = [
        [
            f"{escape(one.url)}<br><code>{one.id}</code>",
            escape(", ".join(one.event_types)),
            escape(", ".join(one.company_tags or []) or "all companies"),
            _mood("failed", "disabled") if one.disabled else _mood("delivered", "enabled"),
        ]
        for one in every
    ]
    return _table("Webhook consumers", ["Address", "Events", "For", "State"], rows, len(every))


def _deliveries(sandbox: Sandbox) -> str:
    every = sandbox.office.state.deliveries
    rows = [_delivery(sandbox, one) for one in islice(reversed(every.values()), MOST_ROWS)]
    heads = ["Event", "To", "Attempts", "State"]
    return _table("Deliveries, newest first", heads, rows, len(every))


def _delivery(sandbox: Sandbox, delivery: Delivery) -> list[str]:
    post = sandbox.office.state
    message = post.messages.get(delivery.message_id)
    consumer = post.consumers.get(delivery.consumer_id)
    attempts = ", ".join(str(one.status or one.error) for one in delivery.attempts)
    return [
        f"{escape(message.event_type if message else '')}<br><code>{delivery.message_id}</code>",
        escape(consumer.url if consumer else "a consumer that was deleted"),
        escape(attempts),
        _mood(delivery.state.value),
    ]


def _companies(sandbox: Sandbox) -> str:
    every = sandbox.world.state.companies.values()
    rows = []
    for one in islice(every, MOST_ROWS):
        seen: dict[str, Any] = overview.company(sandbox, one)
        links = [
            f"{escape(link['platform'])} {_mood(link['status'])}" for link in seen["connections"]
        ]
        tags = ", ".join(f"{key}: {value}" for key, value in one.tags.items())
        rows.append(
            [
                f"{escape(one.name)}<br><code>{one.id}</code>",
                escape(", ".join(one.products)) or "none",
                "<br>".join(links) or "none",
                escape(tags),
            ]
        )
    return _table("Companies", ["Company", "Products", "Connections", "Tags"], rows, len(every))


def _table(title: str, heads: Iterable[str], rows: list[list[str]], total: int) -> str:
    if not rows:
        return f"<h2>{title}</h2><p>None.</p>"
    note = f"<p>{len(rows)} of {total:,} are shown.</p>" if total > len(rows) else ""
    head = "".join(f"<th>{one}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h2>{title}</h2>{note}<table><tr>{head}</tr>{body}</table>"


def _mood(state: str, words: str = "") -> str:
    return f'<span class="{_MOODS.get(state, "")}">{escape(words or state)}</span>'
