"""The elements of Codat's lists: one that cannot be read costs itself and not the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

from pydantic import GetPydanticSchema, ValidationError
from pydantic_core import core_schema

from codat_hub.codat.adapters.failures import tidy
from codat_hub.codat.adapters.paths import is_segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic import GetCoreSchemaHandler

_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Unread:
    """An element that cannot be read.

    fault: where it is not as documented, without its content
    id, name: the element's own, as far as they can be read
    """

    fault: str
    id: str | None = None
    name: str | None = None


def where(error: ValidationError) -> str:
    """Return the first three places that are not as documented, without their content."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    places = [f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['type']}" for fault in faults]
    return tidy(", ".join(places[:3]))


def readable[T](elements: Iterable[T | Unread]) -> tuple[T, ...]:
    """Return the elements that can be read."""
    return tuple(element for element in elements if not isinstance(element, Unread))


def unreadable(elements: Iterable[object]) -> tuple[Unread, ...]:
    """Return the elements that cannot be read."""
    return tuple(element for element in elements if isinstance(element, Unread))


def _schema(source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    wanted, _ = get_args(source)
    return core_schema.no_info_wrap_validator_function(_or_unread, handler(wanted))


def _or_unread(value: object, read: Callable[[object], object]) -> object:
    try:
        return read(value)
    except ValidationError as error:
        own = value if isinstance(value, dict) else {}
        own_id, name = own.get("id"), own.get("name")
        return Unread(
            where(error),
            own_id if isinstance(own_id, str) and is_segment(own_id) else None,
            tidy(name)[:_LONGEST_NAME] if isinstance(name, str) else None,
        )


type Element[T] = Annotated[T | Unread, GetPydanticSchema(_schema)]
