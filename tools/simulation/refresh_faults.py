"""A month of refreshes with every kind of fault drawn in, and how soon a waiting refresh goes on.

Faults of a call last for a moment, or for a while. Some companies are odd: Codat never accepts
their refreshes. Whatever else happens, every slot of every other company must be served.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta

from codat_hub.codat import errors
from codat_hub.codat.domain.quota import Quota, next_reset
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.refresh.domain.ticket import TicketStatus
from codat_hub.refresh.usecases.cancel_refresh import CancelRefresh
from codat_hub.storage.items import company_key
from tools.simulation.refresh_histories import HOUR, a_slotted_world, add_reads_of_others
from tools.simulation.refresh_world import DAILY, MINUTE, START, World, a_product, busiest_minute

SECOND = timedelta(seconds=1)
SERVED = {TicketStatus.ACCEPTED.value, TicketStatus.COMPLETED.value}
_SETTLED = timedelta(hours=15)  # after its slot a ticket is closed
_ODD = 100  # one company of so many, of each kind

# Codat's answer to every refresh of an odd company.
ODD = {
    "always 400": lambda: errors.Permanent("this platform cannot be refreshed", status=400),
    "always 403": lambda: errors.Forbidden("not in your plan", status=403),
    "always 404": lambda: errors.NotFound("no such company", status=404),
}


def _limited(world, **facts):
    quota = Quota(100_000, 50_000, next_reset(world.now()))
    return errors.RateLimited("too many calls", status=429, quota=quota, **facts)


def _until(world, wait):
    return {"retry_after": wait, "retry_at": world.now() + wait}


# What a call meets; each is drawn for single calls, and for a while for all calls.
FAULTS = {
    "503": lambda world: errors.TryLater("oops", status=503),
    "408": lambda world: errors.TryLater("slow", status=408),
    "connection refused": lambda world: errors.TryLater("connection refused"),
    "no answer": lambda world: errors.OutcomeUnknown("ReadTimeout"),
    "409 in flight": lambda world: errors.OutcomeUnknown("key in flight", status=409),
    "an HTML page": lambda world: errors.NotUnderstood("<html>", status=200),
    "an edge's 403": lambda world: errors.TryLater("<html>", status=403, edge=True),
    "401": lambda world: errors.Unauthorized("wrong key", status=401),
    "429, Retry-After 0.493": lambda world: _limited(world, **_until(world, 0.493 * SECOND)),
    "429, Retry-After unreadable": _limited,
    "429, Retry-After in the past": lambda world: _limited(world, **_until(world, -5 * SECOND)),
    "429, a quarter of an hour": lambda world: _limited(world, **_until(world, 15 * MINUTE)),
}
_LASTING = {  # minutes, at most; a fault of one call alone is more likely
    "503": 120,
    "408": 30,
    "connection refused": 90,
    "no answer": 20,
    "409 in flight": 10,
    "an HTML page": 20,
    "an edge's 403": 30,
    "401": 90,
    "429, Retry-After 0.493": 5,
    "429, Retry-After unreadable": 30,
    "429, Retry-After in the past": 10,
    "429, a quarter of an hour": 120,
}


@dataclass
class Month:
    """What became of the month's slots. `missed` and `unserved` have to be empty.

    ended: of companies that are not odd; odd: of the others, by kind and status
    unserved: slots of companies that are not odd, which ended without a refresh
    unreadable: slots that found the ticket unreadable, and are skipped by that name
    met: how many calls met each kind of fault
    """

    slots: int
    ended: Counter
    odd: Counter
    missed: list
    unserved: list
    unreadable: int
    twice: list
    met: Counter
    dead: int
    calls: int
    busiest: int


def a_month_of_faults(companies, days, seed):
    """Simulate a daily product, and on every second company one of three slots a day."""
    world, names, expected = a_slotted_world(companies, seed)
    odd = _odd_companies(world, names)
    faults = _Faults(world, odd)
    world.codat.fault = faults
    faults.draw_next()
    add_reads_of_others(world, names)
    _repair_by_reconcile(world, odd)
    spoiled = _spoil_items(world, names)
    world.dying(0.001)
    world.queue.duplicates = 0.01
    world.run_until(START + timedelta(days=days))
    world.dying(0)
    ripe = [key for key in expected if key[2] < world.clock - _SETTLED]
    world.run_until(world.clock + 26 * HOUR)
    return _judged(world, ripe, odd, faults.met, spoiled)


def _odd_companies(world, names):
    """Draw companies of each odd kind: one of a hundred, and one at least."""
    count = max(1, len(names) // _ODD)
    drawn = world.random.sample(names, count * len(ODD))
    return {
        name: kind
        for place, kind in enumerate(ODD)
        for name in drawn[place * count : (place + 1) * count]
    }


@dataclass
class _Faults:
    """The fault of each call: of its company, of the hour, or of this call alone."""

    world: World
    odd: dict
    met: Counter = field(default_factory=Counter)
    lasting: str | None = None

    def __call__(self, company_id, product):
        if kind := self.odd.get(company_id):
            self._meet(kind, ODD[kind]())
        if self.lasting:
            self._meet(self.lasting, FAULTS[self.lasting](self.world))
        drawn = self.world.random.random()
        if drawn < 0.01:
            self.met["the answer is lost"] += 1
            return "after"
        if drawn < 0.03:
            kind = self.world.random.choice(sorted(FAULTS))
            self._meet(kind, FAULTS[kind](self.world))
        return None

    def _meet(self, kind, failure):
        self.met[kind] += 1
        if failure.status is not None and not isinstance(
            failure, errors.RateLimited | errors.OutcomeUnknown
        ):
            self.world.codat.answer_kept(self.world.codat.keys[-1], failure)
        raise failure

    def draw_next(self):
        """Let a fault of all calls begin within hours, and end after minutes or hours."""
        begins = self.world.clock + 5 * HOUR * self.world.random.random()
        self.world.at(begins, self._begin)

    def _begin(self):
        self.lasting = self.world.random.choice(sorted(_LASTING))
        lasts = _LASTING[self.lasting] * MINUTE * self.world.random.random()
        self.world.at(self.world.clock + lasts, self._end)

    def _end(self):
        self.lasting = None
        self.draw_next()


def _repair_by_reconcile(world, odd):
    """Each night, make assigned again what a 404 made stale; Codat still lists the company."""

    def repair():
        for name, kind in odd.items():
            for product in ("daily", "often") if kind == "always 404" else ():
                known, version = world.assignments.get(name, product)
                if known.status is AssignmentStatus.STALE:
                    again = replace(known, status=AssignmentStatus.ASSIGNED)
                    world.safely(lambda: world.assignments.put(again, version))  # noqa: B023
        world.at(world.clock + 6 * HOUR, repair)

    world.at(world.clock + 6 * HOUR, repair)


def _spoil_items(world, names):
    """Now and then make an item unreadable, until a person repairs it two hours later.

    Return the company of each item, with the beginning.
    """
    spoiled = []

    def spoil():
        name = world.random.choice(names)
        sort, change = world.random.choice(
            [("REFRESH#TICKET#daily", {"due_at": 7}), ("REFRESH#LEASE", {"until": 7})]
        )
        key = company_key(name, sort)
        if key in world.table.items:
            spoiled.append((name, world.clock))
            before = world.table.spoil(key, **change)
            right = {field: before.get(field) for field in change}
            world.at(world.clock + 2 * HOUR, lambda: world.table.spoil(key, **right))
        world.at(world.clock + 20 * HOUR * world.random.random(), spoil)

    world.at(world.clock + 20 * HOUR, spoil)
    return spoiled


def _judged(world, expected, odd, met, spoiled):
    ended, of_odd, missed, unserved, unreadable = Counter(), Counter(), [], [], 0
    for key in expected:
        ends = world.slots.get(key)
        last = ends[-1] if ends else "no ticket"
        if kind := odd.get(key[0]):
            of_odd[f"{kind}: {last}"] += 1
            continue
        if not ends and any(
            name == key[0] and since <= key[2] <= since + 2 * HOUR for name, since in spoiled
        ):
            unreadable += 1
            continue
        ended[last] += 1
        if not ends:
            missed.append(key)
        elif last not in SERVED:
            unserved.append((key, ends))
    return Month(
        slots=len(expected),
        ended=ended,
        odd=of_odd,
        missed=missed,
        unserved=unserved,
        unreadable=unreadable,
        twice=[key for key in expected if world.accepted_of[key] > 1],
        met=met,
        dead=len(world.queue.dead),
        calls=len(world.codat.calls),
        busiest=busiest_minute(world.codat.calls),
    )


# how soon a waiting refresh is called

_READ = timedelta(minutes=4, seconds=31)  # between two runs of the dispatcher


def wake_ups(seed=1):
    """Return how the turn of a company ended -> seconds until its next refresh was accepted."""
    found = {name: _wake_up(end, seed) for name, end in _ENDS.items()}
    return found | {how: _without_a_call(how, seed) for how in _WITHOUT_A_CALL}


def _wake_up(end, seed):
    """Let product a have the turn while b meets the lease; end the turn, and see the next call."""
    world = World(seed=seed, window=timedelta(0), read_time=lambda: _READ)
    world.register(a_product("a", DAILY), a_product("b", DAILY))
    for product in "ab":
        world.assign("c1", product)
        world.opened("c1", product)
    world.dispatcher()
    _, _, first = world.events.pop(0)
    world.events.clear()
    ended = []

    def fault(_company, _product):
        if ended:
            return None
        _meet_the_lease(world)
        return end(world, ended)

    world.codat.fault = fault
    first()
    world.dispatching().run_until(START + 40 * MINUTE)
    later = [at for _, _, at in world.codat.accepted if at >= ended[0]]
    return (later[0] - ended[0]).total_seconds() if later else None


def _meet_the_lease(world):
    ticket = world.ticket("c1", "b")
    world.worker(RefreshMessage("c1", "b", ticket.generation))


def _fails(failure):
    def end(world, ended):
        ended.append(world.clock)
        raise failure(world)

    return end


def _accepted(world, ended):
    ended.append(world.clock + _READ)


def _busy(world, ended):
    ended.append(world.clock + _READ)
    world.codat.read("c1", "another team's", _READ)


def _lost(world, ended):
    ended.append(world.clock + _READ)
    return "after"


_ENDS = {
    "accepted, and its read ends": _accepted,
    "busy, and the other read ends": _busy,
    "the answer is lost, and its read ends": _lost,
    **{
        name: _fails(failure)
        for name, failure in FAULTS.items()
        if name in {"503", "408", "connection refused", "an edge's 403"}
    },
    **{name: _fails(lambda _, failure=failure: failure()) for name, failure in ODD.items()},
}


def _without_a_call(how, seed):
    """Return the seconds until the waiting refresh is accepted, after a turn without a call."""
    world = World(seed=seed, window=timedelta(0))
    world.register(a_product("a", DAILY), a_product("b", DAILY))
    for product in "ab":
        world.assign("c1", product)
        world.opened("c1", product)
    world.dispatcher()
    _, _, first = world.events.pop(0)
    world.events.clear()
    ticket, version = world.tickets.get("c1", "b")
    later = ticket_rules.kept_back(ticket, ticket_rules.Waits.LEASE, world.clock + HOUR)
    world.tickets.put(later, version)
    if how == "cancelled by a person":
        CancelRefresh(world.tickets, world.now).cancel("c1", "a", "no more")
    elif how == "no longer assigned":
        world.absent("c1", "a")
    else:
        ticket, version = world.tickets.get("c1", "a")
        world.tickets.put(replace(ticket, deadline=world.clock), version)
    first()
    world.dispatching().run_until(START + 40 * MINUTE)
    return (world.codat.calls[0] - START).total_seconds() if world.codat.calls else None


_WITHOUT_A_CALL = ("cancelled by a person", "no longer assigned", "past its deadline")
