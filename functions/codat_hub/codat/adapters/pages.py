"""Codat's pages, read one after another while `_links.next` is there (docs/codat.md, C7)."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.errors import NotUnderstood

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codat_hub.codat.adapters.answers import Answer
    from codat_hub.codat.adapters.elements import Unread
    from codat_hub.codat.adapters.models import WirePage


# A million companies at 100 a page, whatever total an answer announces.
MOST_PAGES: Final = 10_000
# Pages allowed beyond the announced total, which can change during the walk.
_SLACK: Final = 2


def every[T](page_at: Callable[[int], Answer[WirePage[T]]]) -> Iterator[T | Unread]:
    """Yield each element of each page; a page is fetched when its first element is asked for.

    The next page is asked for by number, not by its link, which could lead anywhere. Raises
    NotUnderstood for an empty page that has a next one, for another page than asked for, and for
    more pages than announced. To stop there could lose results, to go on might never end.
    """
    for number in count(1):
        page = page_at(number).value
        _check(page, number)
        yield from page.entries
        if not page.has_next:
            return


def _check(page: WirePage[Any], number: int) -> None:
    if page.page_number not in {None, number}:
        raise NotUnderstood(f"asked for page {number}, got page {page.page_number}")
    if page.has_next and not page.entries:
        raise NotUnderstood(f"page {number} is empty, yet it has a next one")
    if page.has_next and number >= _most(page):
        raise NotUnderstood(f"page {number} has a next one, beyond the announced total")


def _most(page: WirePage[Any]) -> int:
    if page.total_results is None or not page.page_size or page.page_size < 0:
        return MOST_PAGES
    full, rest = divmod(page.total_results, page.page_size)
    return min(full + bool(rest) + _SLACK, MOST_PAGES)
