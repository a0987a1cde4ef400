"""Schedule expressions of EventBridge Scheduler: their problems, and when they run next.

AWS checks an expression only when a schedule is created, the emulator never does, and neither lists
every problem. So the hub parses expressions itself, by AWS's guide "Schedule types in EventBridge
Scheduler". No cron library fits. In this dialect Sunday is day 1, exactly one field is `?`, and a
change of clocks has its own rules: a time that the clock skips in spring does not run, and a time
that it shows twice in autumn runs once (here: the first time).

What AWS's guides do not show to be taken is refused: docs/operate/products.md has the list.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise, product
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, available_timezones

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from codat_hub.products.domain.product import Schedule

NEVER: Final = timedelta(days=36500)  # the time to a slot that never comes
# A refresh is dispatched within a minute or two, and a shorter cadence leaves it no time.
SHORTEST_CADENCE: Final = timedelta(minutes=5)
LONGEST_RATE: Final = timedelta(days=366)
LONGEST_TEXT: Final = 256  # the limit of EventBridge Scheduler
_RATE: Final = re.compile(r"rate\((0|[1-9][0-9]{0,8}) (minute|hour|day)(s?)\)", re.ASCII)
_CRON: Final = re.compile(r"cron\((.*)\)", re.ASCII)
_NOT_ZONES: Final = frozenset({"localtime", "posixrules", "Factory"})
_MONTHS: Final = tuple("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split())  # noqa: SIM905
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_SATURDAY: Final = 7


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()  # for the values from `low` on
    steps: bool = True

    def allowed(self) -> str:
        words = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        signs = ", - * /" if self.steps else ", - *"
        return f"{self.low}-{self.high}{words} and {signs}"


_MINUTE: Final = _Field("minutes", 0, 59)
_HOUR: Final = _Field("hours", 0, 23)
_DAY: Final = _Field("day of month", 1, 31)
_MONTH: Final = _Field("month", 1, 12, _MONTHS)
_WEEKDAY: Final = _Field("day of week", 1, 7, _DAYS, steps=False)
_YEAR: Final = _Field("year", 1970, 2199)
_FIELDS: Final = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY, _YEAR)

type _Days = Callable[[int, int], Iterable[int]]
"""A function from year and month to the matching days of that month."""


@dataclass(frozen=True, slots=True)
class _Cron:
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: _Days
    months: tuple[int, ...]
    years: tuple[int, ...]

    def after(self, wall: datetime) -> Iterator[datetime]:
        """Yield the matching wall-clock times after a wall-clock time, in order."""
        first = wall.date()
        for year, month in product(self.years, self.months):
            if (year, month) < (first.year, first.month):
                continue
            for day in sorted(set(self.days(year, month))):
                if date(year, month, day) < first:
                    continue
                for hour, minute in product(self.hours, self.minutes):
                    candidate = datetime(year, month, day, hour, minute)  # noqa: DTZ001  # wall clock
                    if candidate > wall:
                        yield candidate


def problems(schedule: Schedule, now: datetime | None = None) -> list[str]:
    """Return every problem with a schedule, a sentence each. `now`: aware; None: the present."""
    found = _zone_problems(schedule.timezone)
    expression = schedule.expression
    if len(expression) > LONGEST_TEXT:
        return [*found, f"the expression is longer than {LONGEST_TEXT} characters"]
    try:
        parsed = _parse(expression)
    except ValueError as error:
        return [*found, *error.args]
    if isinstance(parsed, _Cron) and next(parsed.after(datetime(1970, 1, 1)), None) is None:  # noqa: DTZ001
        found.append(f"{expression!r} names a date that no year has")
    elif not found and next_after(schedule, now or datetime.now(UTC)) is None:
        found.append(f"{expression!r} names only times in the past")
    if _cadence(parsed) < SHORTEST_CADENCE:
        shortest = SHORTEST_CADENCE // timedelta(minutes=1)
        found.append(f"{expression!r} runs again within less than {shortest} minutes")
    return found


def runs(schedule: Schedule) -> bool:
    """Tell whether a registered schedule has slots, by a version before this one too."""
    return not problems(replace(schedule, expression=_as_shown(schedule.expression)))


def _cadence(parsed: timedelta | _Cron) -> timedelta:
    """Return the shortest time between two slots, as if a cron ran on two days in a row."""
    if isinstance(parsed, timedelta):
        return parsed
    minutes = [60 * hour + minute for hour, minute in product(parsed.hours, parsed.minutes)]
    next_day = minutes[0] + 24 * 60
    return timedelta(minutes=min(b - a for a, b in pairwise([*minutes, next_day])))


def next_after(schedule: Schedule, moment: datetime) -> datetime | None:
    """Return the first slot after an aware moment, in UTC; None if there is no more.

    A rate counts from the moment, so pass the last slot. Raises ValueError for a schedule with
    problems, but not for one that a version before this one has registered.
    """
    parsed = _parse(_as_shown(schedule.expression))
    if isinstance(parsed, timedelta):
        return moment.astimezone(UTC) + parsed
    zone = ZoneInfo(schedule.timezone)
    wall = moment.astimezone(zone).replace(tzinfo=None)
    for candidate in parsed.after(wall):
        slot = candidate.replace(tzinfo=zone).astimezone(UTC)  # the first of two in autumn
        shown = slot.astimezone(zone).replace(tzinfo=None)
        if shown == candidate and slot > moment:
            return slot
    return None


def interval(schedule: Schedule, moment: datetime) -> timedelta:
    """Return the time from an aware moment, such as a slot, to the next slot.

    It is NEVER if there is no more. Raises ValueError for a schedule with problems.
    """
    following = next_after(schedule, moment)
    return NEVER if following is None else following - moment


def _zone_problems(name: str) -> list[str]:
    if name in _zones():
        return []
    near = get_close_matches(name, _zones(), n=3, cutoff=0.8)
    meant = f"; did you mean {' or '.join(near)}?" if near else ", such as Europe/London or UTC"
    return [f"{name[:64]!r} is not a time zone of the IANA database{meant}"]


@lru_cache(maxsize=1)
def _zones() -> tuple[str, ...]:
    return tuple(sorted(available_timezones() - _NOT_ZONES))


@lru_cache(maxsize=256)
def _as_shown(expression: str) -> str:
    """Return an expression as AWS's guide writes it.

    Versions before this one took small letters, more white space, leading zeros, steps beyond the
    range, a name beside L or #, and `rate(1 hours)`.
    """
    if rate := re.fullmatch(r"rate\(1 (minute|hour|day)s\)", expression):
        return f"rate(1 {rate[1]})"
    cron = _CRON.fullmatch(expression)
    texts = cron[1].upper().split() if cron else []
    if len(texts) != len(_FIELDS):
        return expression
    shown = (
        ",".join(_part_shown(field, part) for part in text.split(","))
        for field, text in zip(_FIELDS, texts, strict=True)
    )
    return f"cron({' '.join(shown)})"


def _part_shown(field: _Field, part: str) -> str:
    plain = re.sub(r"\b0+(?=\d)", "", part)
    named = re.sub(r"^([A-Z]{3})(?=L$|#)", lambda name: str(_number_of(name[1])), plain)
    span, slash, step = named.partition("/")
    if slash and step.isdecimal() and int(step) > field.high - field.low:
        return str(field.low) if span == "*" else span.partition("-")[0]
    return named


def _number_of(name: str) -> int | str:
    return 1 + _DAYS.index(name) if name in _DAYS else name


@lru_cache(maxsize=256)
def _parse(expression: str) -> timedelta | _Cron:
    """Raise ValueError with one argument per problem."""
    if expression.startswith("at("):
        raise ValueError("at(…) runs once only; use rate(…) or cron(…)")
    if expression.startswith("rate("):
        return _parse_rate(expression)
    if match := _CRON.fullmatch(expression):
        return _parse_cron(match[1])
    raise ValueError(
        f"{expression!r} is neither rate(value unit), such as rate(6 hours), nor "
        "cron(minutes hours day-of-month month day-of-week year), such as cron(0 23 * * ? *)"
    )


def _parse_rate(expression: str) -> timedelta:
    match = _RATE.fullmatch(expression)
    if match is None or int(match[1]) == 0 or (int(match[1]) > 1) != bool(match[3]):
        raise ValueError(
            f"{expression!r} is no rate: rate(value unit), with a whole number of at least 1 and "
            "minutes, hours or days, such as rate(6 hours) or rate(1 hour)"
        )
    unit = {"minute": 1, "hour": 60, "day": 1440}[match[2]]
    if int(match[1]) * unit > LONGEST_RATE / timedelta(minutes=1):
        raise ValueError(f"{expression!r} is more than {LONGEST_RATE.days} days")
    return timedelta(minutes=int(match[1]) * unit)


def _parse_cron(text: str) -> _Cron:
    fields = text.split(" ")
    if len(fields) != 6 or not text.isprintable():
        raise ValueError(
            f"{f'cron({text})'!a} has {len(fields)} fields where there must be 6, each after one "
            "space: minutes hours day-of-month month day-of-week year"
        )
    minute, hour, day, month, weekday, year = fields
    found: list[str] = []
    read = _FieldReader(found)
    days: _Days = _no_days
    if (day == "?") == (weekday == "?"):
        found.append(
            f"day of month is {day!r} and day of week {weekday!r}: exactly one of the two must be ?"
        )
    if day != "?":
        days = read(_days_of_month, day) or days
    if weekday != "?":
        days = read(_days_of_week, weekday) or days
    cron = _Cron(
        minutes=read(lambda text: _values(_MINUTE, text), minute) or (),
        hours=read(lambda text: _values(_HOUR, text), hour) or (),
        days=days,
        months=read(lambda text: _values(_MONTH, text), month) or (),
        years=read(lambda text: _values(_YEAR, text), year) or (),
    )
    if found:
        raise ValueError(*found)
    return cron


class _FieldReader:
    """Reads a field with a function; adds its ValueError to the problems instead of raising it."""

    def __init__(self, found: list[str]) -> None:
        self._found = found

    def __call__[Read](self, read: Callable[[str], Read], text: str) -> Read | None:
        try:
            return read(text)
        except ValueError as error:
            self._found.append(str(error))
            return None


def _no_days(_year: int, _month: int) -> Iterable[int]:
    return ()


def _values(field: _Field, text: str) -> tuple[int, ...]:
    """Return the numbers of a list of values, ranges and steps, in order."""
    return tuple(sorted({number for part in text.split(",") for number in _part(field, part)}))


def _part(field: _Field, part: str) -> range:
    span, slash, step = part.partition("/")
    if slash and not (field.steps and _is_number(step) and 0 < int(step) <= field.high - field.low):
        raise _refused(field, part)
    first, dash, last = span.partition("-")
    if span == "*":
        low, high = field.low, field.high
    elif dash:
        low, high = _value(field, first, part), _value(field, last, part)
    else:
        low = _value(field, first, part)
        high = field.high if slash else low
    if low > high:
        raise ValueError(f"{field.name}: {part!r} runs backwards; name two ranges instead")
    return range(low, high + 1, int(step) if slash else 1)


def _value(field: _Field, text: str, part: str) -> int:
    if text in field.names:
        return field.low + field.names.index(text)
    if not _is_number(text) or not field.low <= int(text) <= field.high:
        raise _refused(field, part)
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 4 and text == str(int(text))


def _refused(field: _Field, part: str) -> ValueError:
    extra = {"day of month": ", ? L and 15W", "day of week": ", ? L, 6L and 6#3"}
    allowed = field.allowed() + extra.get(field.name, "")
    return ValueError(f"{field.name}: {part!r} is not allowed; allowed are {allowed}")


def _days_of_month(text: str) -> _Days:
    if text == "L":
        return lambda year, month: (monthrange(year, month)[1],)
    if text.endswith("W") and _is_number(text[:-1]):
        day = _value(_DAY, text[:-1], text)
        return lambda year, month: _nearest_weekday(year, month, day)
    days = _values(_DAY, text)
    return lambda year, month: (day for day in days if day <= monthrange(year, month)[1])


def _nearest_weekday(year: int, month: int, day: int) -> tuple[int, ...]:
    """Return the weekday nearest to a day, in the same month."""
    last = monthrange(year, month)[1]
    if day > last:
        return ()
    match date(year, month, day).isoweekday():
        case 6:
            return (day - 1 if day > 1 else day + 2,)
        case 7:
            return (day + 1 if day < last else day - 2,)
        case _:
            return (day,)


def _days_of_week(text: str) -> _Days:
    if text == "L":
        return _on_weekdays((_SATURDAY,))
    if text.endswith("L"):
        weekday = _numbered(text[:-1], text)
        return lambda year, month: _matching(year, month, weekday)[-1:]
    named, mark, place = text.partition("#")
    if mark:
        if place not in {"1", "2", "3", "4", "5"}:
            raise ValueError(f"day of week: {text!r} must name the 1st to 5th, such as 6#3")
        weekday = _numbered(named, text)
        return lambda year, month: _matching(year, month, weekday)[int(place) - 1 : int(place)]
    return _on_weekdays(_values(_WEEKDAY, text))


def _numbered(weekday: str, text: str) -> int:
    """Return a weekday beside L or #, where the guide shows numbers only."""
    if weekday in _DAYS:
        raise _refused(_WEEKDAY, text)
    return _value(_WEEKDAY, weekday, text)


def _on_weekdays(weekdays: tuple[int, ...]) -> _Days:
    return lambda year, month: [
        day for weekday in weekdays for day in _matching(year, month, weekday)
    ]


def _matching(year: int, month: int, weekday: int) -> list[int]:
    """Return the days of a month that are this weekday; Sunday is 1."""
    first, length = monthrange(year, month)  # here Monday is 0
    offset = (weekday - 2 - first) % 7
    return list(range(1 + offset, length + 1, 7))
