"""Sync settings: find the value for off, switch schedules off, compare, and derive the wait.

The settings stay the JSON that Codat's API answers, so that every field is posted back as it was.
With `overridesDefaults` true these settings count; with false those of the level above do.
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
_LOCKED: Final = "isLocked"


class OffUnknown(Exception):
    """Nothing shows which `syncSchedule` means off; the text says what to do."""


def off_value(client: Settings, configured: int | None) -> int:
    """Return the `syncSchedule` that switches a schedule off. Raises OffUnknown.

    Codat documents none (docs/codat.md, C65). So this is `configured`, or else the value that the
    client uses for a data type that is off: such a value is not positive, as it is no interval.
    """
    if configured is not None:
        return configured
    schedules = (setting["syncSchedule"] for setting in client["settings"])
    used = {schedule for schedule in schedules if schedule <= 0}
    if len(used) == 1:
        return int(used.pop())
    seen = f"it uses different values, {sorted(used)}" if used else "it switches no data type off"
    raise OffUnknown(
        f"the client's settings do not show which syncSchedule means off: {seen}. Set one data "
        "type to None in the Portal, or give --off-value to tools/hub migrations plan."
    )


def overrides(settings: Settings) -> bool:
    """Tell whether these settings count, and not those of the level above."""
    return bool(settings[_OVERRIDES])


def is_off(settings: Settings) -> bool:
    """Tell whether every schedule is off, except locked ones."""
    return not needs_change(settings, FirstLink.KEEP)


def needs_change(settings: Settings, first_link: FirstLink) -> bool:
    """Tell whether switching these settings off changes one of them."""
    return any(_off(setting, 0, first_link) != setting for setting in settings["settings"])


def locked(settings: Settings) -> list[str]:
    """Return the data types whose schedule stays on, because Codat marks them as locked."""
    return [
        setting["dataType"]
        for setting in settings["settings"]
        if setting["syncSchedule"] > 0 and setting.get(_LOCKED)
    ]


def switched_off(settings: Settings, off: int, first_link: FirstLink) -> dict[str, Any]:
    """Return the complete list to post: each `syncSchedule` that is on becomes `off`.

    `overridesDefaults` becomes true, because settings that do not count switch nothing off.
    `fetchOnFirstLink` becomes false if `first_link` is OFF. No other field changes, and no setting
    with `isLocked`: no document says what a lock does.
    """
    return {
        **settings,
        _OVERRIDES: True,
        "settings": [_off(setting, off, first_link) for setting in settings["settings"]],
    }


def _off(setting: Mapping[str, Any], off: int, first_link: FirstLink) -> dict[str, Any]:
    changed = dict(setting)
    if changed.get(_LOCKED):
        return changed
    if changed["syncSchedule"] > 0:
        changed["syncSchedule"] = off
    if first_link is FirstLink.OFF and changed.get("fetchOnFirstLink"):
        changed["fetchOnFirstLink"] = False
    return changed


def differences(wanted: Settings, found: Settings) -> tuple[str, ...]:
    """Return one text for each difference. The order of data types and null fields do not count."""
    texts = []
    if bool(wanted[_OVERRIDES]) != bool(found[_OVERRIDES]):
        texts.append(f"{_OVERRIDES} is {found[_OVERRIDES]}, not {wanted[_OVERRIDES]}")
    ours, theirs = _by_type(wanted), _by_type(found)
    texts += [
        f"{data_type}: {_shown(theirs.get(data_type))}, not {_shown(ours.get(data_type))}"
        for data_type in sorted(ours.keys() | theirs.keys())
        if ours.get(data_type) != theirs.get(data_type)
    ]
    return tuple(texts)


def wait_for(all_settings: Iterable[Settings]) -> timedelta:
    """Return how long reads of the old schedules may still begin.

    It is the longer of an hour and the shortest interval that counts (docs/codat.md, C68).
    """
    hours = [
        setting["syncSchedule"]
        for settings in all_settings
        if overrides(settings)
        for setting in settings["settings"]
        if setting["syncSchedule"] > 0 and not setting.get(_LOCKED)
    ]
    return max(LEAST_WAIT, timedelta(hours=min(hours, default=0)))


def _by_type(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the settings by data type, without nulls: Codat may leave out a null field."""
    return {
        setting["dataType"]: {name: value for name, value in setting.items() if value is not None}
        for setting in settings["settings"]
    }


def _shown(setting: Mapping[str, Any] | None) -> str:
    if setting is None:
        return "none"
    return ", ".join(f"{name} {setting[name]}" for name in sorted(setting) if name != "dataType")
