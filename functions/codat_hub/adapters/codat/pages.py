"""Walking Codat's pages: on while `_links.next` is there. (Codat docs: paging)"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from codat_hub.errors import NotUnderstood

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codat_hub.adapters.codat.answers import Answer
    from codat_hub.adapters.codat.models import Page


def every[T](page_at: Callable[[int], Answer[Page[T]]]) -> Iterator[T]:
    """Each result of each page, in order; a page is fetched when its first result is asked for.

    The next page is asked for by number, not by its link, which could lead anywhere. Raises
    NotUnderstood for an empty page that has a next one: ending there could lose results, going on
    might never end.
    """
    for number in count(1):
        page = page_at(number).value
        if page.has_next and not page.results:
            raise NotUnderstood(f"page {number} is empty, yet it has a next one")
        yield from page.results
        if not page.has_next:
            return
