"""JSON as it can be stored, signed and sent again: what Python alone would accept is refused."""

import json
from collections.abc import Iterable
from typing import Any, Final, NoReturn

DEEPEST: Final = 100


def loads(raw: bytes) -> Any:
    """The value; ValueError for NaN, infinities, half characters and what is nested too deeply."""
    try:
        value = json.loads(raw, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _check_depth(value)
    # Half of a surrogate pair and 1e999 are parsed without complaint, but cannot be written.
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return
    raise ValueError("nested too deeply")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
