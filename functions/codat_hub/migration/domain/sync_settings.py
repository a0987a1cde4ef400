"""Sync settings as Codat's API gives and takes them (`settings[]`), switched off and compared.

They stay the JSON they came as: what is not ours to change is posted back as it was.
`overridesDefaults` true: these settings count; false: those of the level above do.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from codat_hub.migration.domain.run import FirstLink

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

type Settings = Mapping[str, Any]

LEAST_WAIT: Final = timedelta(hours=1)
_OVERRIDES: Final = "overridesDefaults"


class OffUnknown(Exception):
    """Nothing shows which `syncSchedule` means off; the text says what to do about it."""


def off_value(client: Settings, configured: int | None) -> int:
    """Return the `syncSchedule` that switches a schedule off. Raises OffUnknown.

    Codat documents none (docs/codat.md, C65), so it is what the client already uses for a data type
    that is off: a value that is no interval, so not positive. What is configured wins.
    """
    if configured is not None:
        return configured
    used = {one["syncSchedule"] for one in client["settings"] if one["syncSchedule"] <= 0}
    if len(used) == 1:
        return int(used.pop())
    seen = (
        f"it uses {sorted(used)}, which contradict each other" if used else "it switches none off"
    )
    raise OffUnknown(
        f"which syncSchedule means off cannot be read from the client's settings: {seen}. Set one "
        "data type to None in the Portal and plan again, or give off_value."
    )


def overrides(settings: Settings) -> bool:
    return bool(settings[_OVERRIDES])


def is_off(settings: Settings) -> bool:
    return all(one["syncSchedule"] <= 0 for one in settings["settings"])


def switched_off(settings: Settings, off: int, first_link: FirstLink) -> dict[str, Any]:
    """Return the complete list to post: of each entry only a `syncSchedule` that is on changes.

    `fetchOnFirstLink` changes too where that was chosen; `overridesDefaults` becomes true, for a
    list that does not count switches nothing off.
    """
    return {
        **settings,
        _OVERRIDES: True,
        "settings": [_off(one, off, first_link) for one in settings["settings"]],
    }


def _off(setting: Mapping[str, Any], off: int, first_link: FirstLink) -> dict[str, Any]:
    changed = dict(setting)
    if changed["syncSchedule"] > 0:
        changed["syncSchedule"] = off
    if first_link is FirstLink.OFF:
        changed["fetchOnFirstLink"] = False
    return changed


def differences(wanted: Settings, found: Settings) -> tuple[str, ...]:
    """Return what is not as wanted, one text each; the order of data types does not matter."""
    said = []
    if bool(wanted[_OVERRIDES]) != bool(found[_OVERRIDES]):
        said.append(f"{_OVERRIDES} is {found[_OVERRIDES]}, not {wanted[_OVERRIDES]}")
    ours, theirs = _by_type(wanted), _by_type(found)
    for data_type in sorted(ours.keys() | theirs.keys()):  # see the walrus
        if (one := ours.get(data_type)) != (other := theirs.get(data_type)):
            said.append(  # noqa: PERF401  # as a comprehension it is a riddle
                f"{data_type}: {_shown(other)}, not {_shown(one)}"
            )
    return tuple(said)


def wait_for(all_settings: Iterable[Settings]) -> timedelta:
    """Return how long reads of the old schedules may still begin: at least an hour.

    The longer of an hour and the shortest interval of the levels that count (docs/codat.md, C68).
    """
    hours = [
        one["syncSchedule"]
        for settings in all_settings
        if overrides(settings)
        for one in settings["settings"]
        if one["syncSchedule"] > 0
    ]
    return max(LEAST_WAIT, timedelta(hours=min(hours, default=0)))


def _by_type(settings: Settings) -> dict[str, dict[str, Any]]:
    """A setting without its nulls: Codat leaves out on one answer what it nulls on another."""
    return {
        one["dataType"]: {name: value for name, value in one.items() if value is not None}
        for one in settings["settings"]
    }


def _shown(setting: Mapping[str, Any] | None) -> str:
    if setting is None:
        return "none"
    return ", ".join(f"{name} {setting[name]}" for name in sorted(setting) if name != "dataType")
