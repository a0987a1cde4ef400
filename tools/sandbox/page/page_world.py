"""The parts of the page about companies, products and settings."""

from html import escape
from itertools import islice

from tools.sandbox.page.markup import mood, table
from tools.sandbox.portal import overview
from tools.sandbox.runtime import Sandbox
from tools.sandbox.world.model import Company


def companies(sandbox: Sandbox, wanted: str | None, most: int) -> str:
    """Those that are being read first, then the newest; of a search, those that match."""
    every = list(sandbox.world.state.companies.values())
    found = [one for one in reversed(every) if _matches(one, wanted or "")]
    found.sort(key=lambda one: not one.reads)
    rows = [_company(sandbox, one) for one in islice(found, most)]
    heads = ["Company", "Products", "Connections", "Tags"]
    return table("Companies", heads, rows, len(found)) + _search(wanted)


def failing(sandbox: Sandbox, most: int) -> str:
    """Companies of which a data type keeps failing."""
    every = [one for one in sandbox.world.state.companies.values() if one.trouble]
    rows = [
        [_name(one), escape(", ".join(f"{kind}: {end}" for kind, end in one.trouble.items()))]
        for one in islice(every, most)
    ]
    return table("Companies that keep failing", ["Company", "Data"], rows, len(every))


def products(sandbox: Sandbox) -> str:
    """What each product reads, and how often by itself."""
    every = sandbox.world.state.products.values()
    rows = [
        [
            f"{escape(one.name)}<br><code>{escape(one.identifier)}</code>",
            "custom" if one.custom else "standard",
            escape(", ".join(one.data_types)),
            _hours(one.sync_schedule),
        ]
        for one in every
    ]
    return table("Products", ["Product", "Kind", "Data types", "Schedule"], rows, len(every))


def settings(sandbox: Sandbox) -> str:
    """The client's sync settings."""
    client = sandbox.world.state.client_settings
    rows = [
        [
            escape(one.data_type),
            _hours(one.sync_schedule),
            "yes" if one.fetch_on_first_link else "no",
        ]
        for one in client.settings
    ]
    title = "Client sync settings" + ("" if client.overrides_defaults else " (not in force)")
    return table(title, ["Data type", "Schedule", "On first link"], rows, len(rows))


def _company(sandbox: Sandbox, one: Company) -> list[str]:
    links = overview.company(sandbox, one)["connections"]
    shown = [f"{escape(link['platform'])} {mood(link['status'])}" for link in links]
    reading = f" {mood('pending', 'is being read')}" if one.reads else ""
    tags = ", ".join(f"{key}: {value}" for key, value in one.tags.items())
    return [
        _name(one) + reading,
        escape(", ".join(one.products)) or "none",
        "<br>".join(shown) or "none",
        escape(tags),
    ]


def _name(one: Company) -> str:
    return f"{escape(one.name)}<br><code>{one.id}</code>"


def _matches(one: Company, wanted: str) -> bool:
    """Whether every word is in the name, the id, a product or a tag."""
    tags = (f"{key}:{value}" for key, value in one.tags.items())
    text = " ".join([one.name, one.id, *one.products, *tags]).casefold()
    return all(word in text for word in wanted.casefold().split())


def _search(wanted: str | None) -> str:
    """A form on the page that stands still; it would be emptied by the next refresh elsewhere."""
    if wanted is None:
        return '<p><a href="/?q=">Find a company</a></p>'
    return (
        f'<form><input name="q" value="{escape(wanted)}" aria-label="Name, id, product or tag">'
        ' <button>Find</button> <a href="/">Refresh by itself again</a></form>'
    )


def _hours(schedule: int) -> str:
    return f"every {schedule} h" if schedule else "off"
