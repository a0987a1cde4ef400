"""The page's tables of companies, products and settings."""

from html import escape
from itertools import islice

from tools.sandbox.page.markup import mood, table
from tools.sandbox.portal import overview
from tools.sandbox.runtime import Sandbox
from tools.sandbox.world.model import Company


def companies(sandbox: Sandbox, wanted: str | None, most: int) -> str:
    """Show companies that match: first those with a running read, then the newest."""
    every = list(sandbox.world.state.companies.values())
    found = [company for company in reversed(every) if _matches(company, wanted or "")]
    found.sort(key=lambda company: not company.reads)
    rows = [_company(sandbox, company) for company in islice(found, most)]
    heads = ["Company", "Products", "Connections", "Tags"]
    return table("Companies", heads, rows, len(found)) + _search(wanted)


def failing(sandbox: Sandbox, most: int) -> str:
    """Show companies with a data type that keeps failing."""
    every = [company for company in sandbox.world.state.companies.values() if company.trouble]
    rows = [
        [
            _name(company),
            escape(", ".join(f"{kind}: {end}" for kind, end in company.trouble.items())),
        ]
        for company in islice(every, most)
    ]
    return table("Companies that keep failing", ["Company", "Data"], rows, len(every))


def products(sandbox: Sandbox) -> str:
    """Show what each product reads, and how often its schedule runs."""
    every = sandbox.world.state.products.values()
    rows = [
        [
            f"{escape(product.name)}<br><code>{escape(product.identifier)}</code>",
            "custom" if product.custom else "standard",
            escape(", ".join(product.data_types)),
            _hours(product.sync_schedule),
        ]
        for product in every
    ]
    return table("Products", ["Product", "Kind", "Data types", "Schedule"], rows, len(every))


def settings(sandbox: Sandbox) -> str:
    """Show the client's sync settings."""
    client = sandbox.world.state.client_settings
    rows = [
        [
            escape(setting.data_type),
            _hours(setting.sync_schedule),
            "yes" if setting.fetch_on_first_link else "no",
        ]
        for setting in client.settings
    ]
    title = "Client sync settings" + ("" if client.overrides_defaults else " (not in force)")
    return table(title, ["Data type", "Schedule", "On first link"], rows, len(rows))


def _company(sandbox: Sandbox, company: Company) -> list[str]:
    links = overview.company(sandbox, company)["connections"]
    shown = [f"{escape(link['platform'])} {mood(link['status'])}" for link in links]
    reading = f" {mood('pending', 'is being read')}" if company.reads else ""
    tags = ", ".join(f"{key}: {value}" for key, value in company.tags.items())
    return [
        _name(company) + reading,
        escape(", ".join(company.products)) or "none",
        "<br>".join(shown) or "none",
        escape(tags),
    ]


def _name(company: Company) -> str:
    return f"{escape(company.name)}<br><code>{company.id}</code>"


def _matches(company: Company, wanted: str) -> bool:
    """Tell whether the name, the id, a product or a tag has each word."""
    tags = (f"{key}:{value}" for key, value in company.tags.items())
    text = " ".join([company.name, company.id, *company.products, *tags]).casefold()
    return all(word in text for word in wanted.casefold().split())


def _search(wanted: str | None) -> str:
    """Return the search form; it shows only while updates stop, as an update would empty it."""
    if wanted is None:
        return '<p><a href="/?q=">Find a company</a></p>'
    return (
        f'<form><input name="q" value="{escape(wanted)}" aria-label="Name, id, product or tag">'
        ' <button>Find</button> <a href="/">Refresh by itself again</a></form>'
    )


def _hours(schedule: int) -> str:
    return f"every {schedule} h" if schedule else "off"
