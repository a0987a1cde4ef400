"""Style, tables and colours of the page at the root."""

from collections.abc import Iterable
from html import escape
from typing import Final

STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; background: #f6f7f9; margin: 0 }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem }
p { margin: .25rem 0; color: #5b6673 }
table { width: 100%; border-collapse: collapse; background: #fff; border: 1px solid #e1e5ea }
th, td { text-align: left; vertical-align: top; padding: .4rem .7rem; overflow-wrap: anywhere }
summary { cursor: pointer } form { margin: .5rem 0 } input { font: inherit; padding: .2rem .4rem }
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


def table(title: str, heads: Iterable[str], rows: list[list[str]], total: int) -> str:
    """Return a table of escaped cells, with a note if there are more rows."""
    if not rows:
        return f"<h2>{title}</h2><p>None.</p>"
    note = f"<p>{len(rows)} of {total:,} are shown.</p>" if total > len(rows) else ""
    head = "".join(f"<th>{head}</th>" for head in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h2>{title}</h2>{note}<table><tr>{head}</tr>{body}</table>"


def mood(state: str, words: str = "") -> str:
    """Return a state in its colour."""
    return f'<span class="{_MOODS.get(state, "")}">{escape(words or state)}</span>'


def folded(words: Iterable[str], noun: str, at_most: int = 3) -> str:
    """Return a list as text; a long list is folded behind its length."""
    every = list(words)
    text = escape(", ".join(every))
    if len(every) <= at_most:
        return text
    return f"<details><summary>{len(every)} {noun}</summary>{text}</details>"
