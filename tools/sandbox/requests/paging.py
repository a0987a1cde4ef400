"""Lists are cut into pages as Codat cuts them (docs/codat.md, C7)."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final
from urllib.parse import urlencode

from tools.sandbox.requests.errors import (
    CodatError,
    invalid_request,
    malformed_query,
    unresolved_property,
)
from tools.sandbox.requests.querying import (
    MalformedQuery,
    Resolver,
    UnresolvedProperty,
    compile_query,
    sort_items,
)

DEFAULT_SIZE: Final = 100
LARGEST_SIZE: Final = 5000
# The items of a page at most, though a request may ask for 5000 (docs/codat.md, C8).
LARGEST_ANSWER: Final = 2000
_LAST_PAGE: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Listing[T]:
    """The items of a list endpoint, their JSON, and the properties that can be queried."""

    items: Collection[T]
    view: Callable[[T], dict[str, Any]]
    resolve: Resolver[T]
    noun: str
    service: str = "ClientsApi"


def page_of[T](listing: Listing[T], path: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Return one page of a list with its links, or raise Codat's 400 for bad parameters."""
    number = _whole(query, "page", 1, _LAST_PAGE)
    size = min(_whole(query, "pageSize", DEFAULT_SIZE, LARGEST_SIZE), LARGEST_ANSWER)
    try:
        found = _select(listing, query)
    except MalformedQuery:
        raise malformed_query(listing.service) from None
    except UnresolvedProperty as problem:
        raise unresolved_property(str(problem), listing.noun, listing.service) from None
    start = (number - 1) * size
    return {
        "results": [listing.view(item) for item in islice(found, start, start + size)],
        "pageNumber": number,
        "pageSize": size,
        "totalResults": len(found),
        "_links": _links(path, query, number, size, last=max(1, -(-len(found) // size))),
    }


def _select[T](listing: Listing[T], query: Mapping[str, str]) -> Collection[T]:
    found = listing.items
    if text := query.get("query"):
        predicate = compile_query(text, listing.resolve)
        found = [item for item in found if predicate(item)]
    if order := query.get("orderBy"):
        found = sort_items(found, order, listing.resolve)
    return found


def _whole(query: Mapping[str, str], name: str, default: int, largest: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:12]) <= largest):
        raise _bad_parameter(name, largest)
    return int(text)


def _bad_parameter(name: str, largest: int) -> CodatError:
    return invalid_request(f"{name} must be a whole number from 1 to {largest}.")


def _links(
    path: str, query: Mapping[str, str], number: int, size: int, *, last: int
) -> dict[str, dict[str, str]]:
    kept = {key: query[key] for key in ("query", "orderBy", "tags") if query.get(key)}

    def page(wanted: int) -> dict[str, str]:
        return {"href": f"{path}?{urlencode({'page': wanted, 'pageSize': size, **kept})}"}

    links = {"self": {"href": path}, "current": page(number)}
    if number < last:
        links["next"] = page(number + 1)
    if number > 1:
        links["previous"] = page(min(number - 1, last))
    return links


def tagged[T](
    items: Collection[T], text: str, resolve: Callable[[str], Callable[[T], Any]]
) -> Collection[T]:
    """Return the items with tags that match; only = != ~ && are allowed (docs/codat.md, C9)."""
    if not text.strip():
        return items
    if any(token in text for token in ("||", "{", "}", "<", ">")):
        raise malformed_query()
    try:
        predicate = compile_query(text, resolve)
    except MalformedQuery:
        raise malformed_query() from None
    return [item for item in items if predicate(item)]
