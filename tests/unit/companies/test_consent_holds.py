"""Codat has no product without a covering consent, in any order of calls and failures.

Every call of a port is one step, as in tests/support/interleaving.py. Requests run at once, die
at any step, meet every failure of Codat, and an add may arrive at Codat long after its caller died.
Then unfinished requests are repeated, as their callers would; and the invariant must hold.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_hub.codat.errors import CallFailed, Forbidden, NotFound, OutcomeUnknown, TryLater
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.domain.company import Company
from codat_hub.companies.domain.consent import Consent, ConsentEntry, covers
from codat_hub.companies.domain.new_company import CodatCompany, Grant
from codat_hub.companies.usecases.assign_product import AssignProduct
from codat_hub.companies.usecases.assignment_context import UNDER_WAY, AssignmentContext
from codat_hub.companies.usecases.consents import RecordConsents
from codat_hub.companies.usecases.remove_product import RemoveProduct
from codat_hub.errors import Conflict, Unavailable
from codat_hub.products.domain.product import Product, ProductKind
from tests.support.fakes import FakeAssignments, FakeCompanies, FakeProductRegistry, FakeRefreshes
from tools.simulation.fakes import FakeConsentLedger, FakeMigrations

COMPANY = "company-1"
START = datetime(2026, 7, 1, tzinfo=UTC)
LIFE = timedelta(seconds=28)  # of the function
PRODUCT = Product("product-a", ProductKind.CUSTOM, data_types=("invoices", "payments"))
OTHER = Product("product-b", ProductKind.CUSTOM, data_types=("invoices",))
WIDE = Grant("J. Baker", "1", ("invoices", "payments"))
NARROW = Grant("J. Baker", "2", ("invoices",))
FAULTS = ("ok", "ok", "ok", "refused", "busy", "lost before", "lost after", "late")


class Codat:
    """`fault` decides the outcome of the next change; a late add arrives with `arrive`."""

    def __init__(self, clock):
        self.held = {OTHER.identifier}
        self.late: list[tuple[datetime, str]] = []
        self.fault = "ok"
        self.touched: list[str] = []
        self._clock = clock

    def company(self, _company_id: str) -> CodatCompany:
        return CodatCompany(COMPANY, "A company", tuple(self.held))

    def add_product(self, _company_id: str, product: str) -> None:
        self._change(product, self.held.add)

    def remove_product(self, _company_id: str, product: str) -> None:
        if product not in self.held:
            raise NotFound("not assigned", status=404)
        self._change(product, self.held.discard)

    def _change(self, product, change):
        self.touched.append(product)
        fault, self.fault = self.fault, "ok"
        match fault:
            case "refused":
                raise Forbidden("plan", status=403)
            case "busy":
                raise TryLater("sorry", status=503)
            case "lost before":
                raise OutcomeUnknown("no answer")
            case "late" if change == self.held.add:
                self.late.append((self._clock(), product))
                raise OutcomeUnknown("no answer")
        change(product)
        if fault == "lost after":
            raise OutcomeUnknown("no answer")

    def arrive(self) -> None:
        """Let every late add arrive now."""
        self.held |= {product for _, product in self.late}
        self.late = []


@dataclass
class World:
    now: datetime = START
    codat: Codat = None
    assignments: FakeAssignments = field(default_factory=FakeAssignments)
    ledger: FakeConsentLedger = field(default_factory=FakeConsentLedger)
    directory: FakeCompanies = field(default_factory=FakeCompanies)
    registry: FakeProductRegistry = field(
        default_factory=lambda: FakeProductRegistry(PRODUCT, OTHER)
    )
    refreshes: FakeRefreshes = field(default_factory=FakeRefreshes)

    def __post_init__(self):
        self.codat = Codat(lambda: self.now)
        self.directory.put(Company(COMPANY), 0)
        other = Consent(OTHER.identifier, START, "J. Baker", "1", OTHER.data_types)
        self.ledger.append(COMPANY, ConsentEntry(1, other, "arn"))

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        # No call is under way for longer than this.
        if any(self.now - since > UNDER_WAY - LIFE for since, _ in self.codat.late):
            self.codat.arrive()

    def covered(self) -> bool:
        products, _ = self.registry.read()
        for product in self.codat.held:
            entry = self.ledger.newest(COMPANY, product)
            if entry is None or not covers(entry.consent, products[product]):
                return False
        return True


def perform(kind, product, ports):
    """Run one request with the given ports; tell whether nothing is left to do."""
    context = AssignmentContext(
        codat=ports["codat"],
        assignments=ports["assignments"],
        ledger=ports["ledger"],
        registry=ports["registry"],
        check_client=lambda: None,
        migrations=FakeMigrations(),
        refreshes=ports["refreshes"],
        now=ports["now"],
    )
    remove = RemoveProduct(context)
    consents = RecordConsents(context, ports["directory"])
    try:
        match kind:
            case "add":
                AssignProduct(context)(COMPANY, product, "arn")
            case "remove":
                return (
                    remove(COMPANY, product, "arn", "why").status is not AssignmentStatus.REMOVING
                )
            case "revoke":
                revoked = consents.revoke(COMPANY, product, "why", "arn")
                return revoked.assignment.status is not AssignmentStatus.REMOVING
            case "grant":
                consents.grant(COMPANY, product, WIDE, "arn")
            case "narrow":
                consents.grant(COMPANY, product, NARROW, "arn")
    except Conflict as conflict:
        return "repeat the request in" not in str(conflict)
    except (CallFailed, Unavailable):
        return False
    except LookupError:
        raise
    except Exception as error:
        if type(error).__name__ == "Absent":  # There is nothing to revoke.
            return True
        raise
    return True


class _Pause(BaseException):
    pass


class Request:
    """A request that goes on by one call of a port at a time, by replaying the earlier calls."""

    def __init__(self, world: World, kind: str, product: str):
        self.world, self.kind, self.product = world, kind, product
        self.begun = world.now
        self._answers: list = []
        self.finished = False

    def step(self) -> bool:
        """Make one more call; tell whether the request is over. `finished`: nothing is left."""
        replay, made = iter(self._answers), False

        def call(function, arguments):
            nonlocal made
            for value, error in replay:
                if error is not None:
                    raise error
                return value
            if made:
                raise _Pause
            made = True
            try:
                value, error = function(*arguments), None
            except CallFailed as failure:
                value, error = None, failure
            self._answers.append((value, error))
            if error is not None:
                raise error
            return value

        names = ("codat", "assignments", "ledger", "registry", "refreshes", "directory")
        ports = {name: _Recorded(getattr(self.world, name), call) for name in names}
        ports["now"] = lambda: call(lambda: self.world.now, ())
        try:
            self.finished = perform(self.kind, self.product, ports)
        except _Pause:
            return False
        return True


class _Recorded:
    def __init__(self, port, call):
        self._port, self._call = port, call

    def __getattr__(self, name):
        return lambda *arguments: self._call(getattr(self._port, name), arguments)


def settle(world: World, unfinished) -> None:
    """Repeat unfinished requests until none is left, as their callers would, with Codat at work."""
    world.codat.arrive()
    for _ in range(4):
        world.pass_time(2 * UNDER_WAY.total_seconds())
        unfinished = [
            (kind, product)
            for kind, product in unfinished
            if not perform(kind, product, vars(world) | {"now": lambda: world.now})
        ]
    assert unfinished == []


KINDS = st.sampled_from(["add", "remove", "grant", "narrow", "revoke", "revoke"])
WISHES = st.tuples(KINDS, st.just(PRODUCT.identifier))
STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["step"] * 12 + ["kill", "wait", "arrive"]),
        st.sampled_from(FAULTS),
        st.sampled_from([0, 1, 20, 70]),
    ),
    max_size=140,
)


def run(world, wishes, steps):
    """Let three requests run at once as the steps say; return the unfinished ones."""
    waiting, busy, unfinished = list(wishes), [], []
    for place, what, fault, seconds in steps:
        while waiting and len(busy) < 3:
            busy.append(Request(world, *waiting.pop(0)))
        if not busy:
            break
        request = busy[place % len(busy)]
        if what == "arrive":
            world.codat.arrive()
        elif what == "wait":
            world.pass_time(seconds)
        elif what == "kill" or world.now - request.begun > LIFE:
            busy.remove(request)
            unfinished.append((request.kind, request.product))
        else:
            world.codat.fault = fault
            if request.step():
                busy.remove(request)
                if not request.finished:
                    unfinished.append((request.kind, request.product))
    # A request that no step finished died there.
    return unfinished + [(request.kind, request.product) for request in busy] + waiting


@settings(max_examples=400, deadline=None)
@given(st.lists(WISHES, min_size=1, max_size=6), STEPS, st.booleans())
def test_no_product_stays_without_a_covering_consent(wishes, steps, agreed):
    world = World()
    if agreed:
        perform("grant", PRODUCT.identifier, vars(world) | {"now": lambda: world.now})
    settle(world, run(world, wishes, steps))
    assert world.covered(), world.codat.held
    assert OTHER.identifier in world.codat.held
    assert set(world.codat.touched) <= {PRODUCT.identifier}


@pytest.mark.parametrize("killed_after", range(30))
@pytest.mark.parametrize("revoked_after", range(20))
def test_a_revocation_at_any_point_of_an_add_that_dies_at_any_point(killed_after, revoked_after):
    """One add that dies at any of its steps, and a whole revocation between any two of them."""
    world = World()
    ports = vars(world) | {"now": lambda: world.now}
    perform("grant", PRODUCT.identifier, ports)
    adding, unfinished = Request(world, "add", PRODUCT.identifier), []
    over = False
    for number in range(30):
        if number == revoked_after and not perform("revoke", PRODUCT.identifier, ports):
            unfinished.append(("revoke", PRODUCT.identifier))
        if not over and number < killed_after:
            over = adding.step()
    if revoked_after >= 30:
        return
    # The add is not repeated: the revocation alone must do.
    settle(world, unfinished)
    assert world.covered(), world.codat.held
