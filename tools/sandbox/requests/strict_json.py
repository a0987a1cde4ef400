"""JSON that can be stored, signed and sent again; Python alone would accept more."""

import json
from collections.abc import Iterable
from typing import Any, Final, NoReturn

DEEPEST: Final = 100


def loads(raw: bytes) -> Any:
    """Return the value; raise ValueError for NaN, infinity, half characters, deep nesting."""
    try:
        value = json.loads(raw, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _check_depth(value)
    # Python parses half a surrogate pair and 1e999, but cannot write them.
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise ValueError("nested too deeply")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
