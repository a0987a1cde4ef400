"""An unreadable item stops its own company or product only, is reported, and can be repaired."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub import errors
from codat_hub.codat.adapters.client_check_store import ClientCheckStore
from codat_hub.codat.domain.client_check import ClientCheck
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.codat.errors import RateLimited
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.usecases.measure_freshness import MeasureFreshness
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
from codat_hub.rate_limiting.domain.rate_limiter import MIGRATION, RateLimiter, Reservation
from codat_hub.rate_limiting.usecases.admit_calls import for_migrations
from codat_hub.refresh.adapters.dispatch_store import DispatchStore
from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.refresh.domain.refresh_run import RefreshRun
from codat_hub.refresh.domain.ticket import TicketStatus
from codat_hub.storage import reading
from codat_hub.storage.cursor import Cursor
from codat_hub.storage.items import CODAT, SHARDS, ItemKey, Listed
from tools.simulation.refresh_world import MINUTE, START, World, a_product

HALF_AN_HOUR = timedelta(minutes=30)
SPOILT = {
    "a status of another version": {"status": "paused"},
    "no deadline": {"deadline": None},
    "no such date": {"due_at": "2026-13-45"},
    "another shape": {"key": "c2VjcmV0"},
}


@pytest.fixture
def reported(monkeypatch):
    """What was logged and counted, as (metric or message, item)."""
    found = []

    class Logger:
        def error(self, message, **facts):
            found.append((message, facts["item"]))
            assert set(facts) == {"item", "fault"}  # nothing of its content

    monkeypatch.setattr(reading, "count", found.append)
    monkeypatch.setattr(reading, "logger", Logger())
    return found


@pytest.fixture
def world():
    world = World()
    world.register(a_product("a"), a_product("b"))
    return world


def ticket_key(company_id, product="a"):
    return ItemKey(f"COMPANY#{company_id}", f"REFRESH#TICKET#{product}")


def waiting(world, *company_ids, product="a"):
    for company_id in company_ids:
        world.assign(company_id, product)
        world.opened(company_id, product)


def accepted(world):
    return sorted(company_id for company_id, _, _ in world.codat.accepted)


def always():
    return True


class TestTickets:
    @pytest.mark.parametrize("changes", SPOILT.values(), ids=SPOILT)
    def test_the_other_tickets_are_sent_and_it_is_reported_by_its_key(
        self, world, reported, changes
    ):
        waiting(world, "c1", "c2", "c3")
        world.table.spoil(ticket_key("c2"), **changes)
        assert world.dispatcher().sent == 2
        assert reported == [
            ("item cannot be read", "COMPANY#c2 / REFRESH#TICKET#a"),
            "item_unreadable",
        ]

    def test_it_is_reported_twice_an_hour_and_is_sent_once_it_is_repaired(self, world, reported):
        waiting(world, "c1")
        whole = world.table.spoil(ticket_key("c1"), status="paused")
        world.dispatching().run_until(START + timedelta(minutes=59))
        assert reported.count("item_unreadable") == 2
        assert not world.codat.calls
        world.table.spoil(ticket_key("c1"), **whole)
        world.run_until(START + timedelta(minutes=63))
        assert accepted(world) == ["c1"]

    def test_three_hundred_unreadable_tickets_at_the_head_do_not_hold_up_the_rest(
        self, world, reported
    ):
        broken = [f"broken{number:03}" for number in range(300)]
        waiting(world, *broken, "late1", "late2")
        for company_id in broken:
            world.table.spoil(ticket_key(company_id), status="paused")
        # So slow that the dispatcher looks at the first 200 only.
        world.limiters.put(
            RateLimiter(reservations={MIGRATION: Reservation(5000, START + 60 * MINUTE)}), 0
        )
        world.dispatching().run_until(START + 3 * MINUTE)
        assert accepted(world) == ["late1", "late2"]
        assert reported.count("item_unreadable") == 300

    def test_the_planner_opens_the_tickets_of_the_other_companies(self, world, reported):
        for company_id in ("c1", "c2", "c3", "c4"):
            world.assign(company_id, "a")
        world.opened("c1")
        world.table.spoil(ticket_key("c1"), status="paused")
        world.table.spoil(ItemKey("COMPANY#c2", "PRODUCT#a"), status="paused")
        world.table.spoil(ItemKey("COMPANY#c3", "DIRECTORY"), listed=["yesterday", "e"])
        planned = world.planner("a", START + MINUTE, always)
        assert (planned.opened, planned.run.done, planned.run.skipped_by) == (
            1,
            True,
            {"unreadable": 3},
        )
        assert world.ticket("c4") is not None
        assert reported.count("item_unreadable") == 3

    def test_a_read_wakes_the_companys_other_product(self, world, reported):
        waiting(world, "c1")
        world.opened("c1", "b", status=TicketStatus.BUSY)
        world.table.spoil(ticket_key("c1"), status="paused")
        assert world.wake.wake_next("c1").product == "b"


class TestProducts:
    PRODUCTS = ItemKey(CODAT, "PRODUCTS")

    def spoil(self, world):
        products = dict(world.table.items[self.PRODUCTS][0]["products"])
        return world.table.spoil(self.PRODUCTS, products=products | {"a": {"kind": "quantum"}})

    def test_its_tickets_wait_and_the_other_products_go(self, world, reported):
        world.dispatcher()  # It knows both products from now on.
        waiting(world, "c1")
        waiting(world, "c2", product="b")
        whole = self.spoil(world)
        world.dispatching().run_until(START + 3 * MINUTE)
        assert accepted(world) == ["c2"]
        assert world.ticket("c1").status is TicketStatus.QUEUED
        assert ("item cannot be read", "CODAT / PRODUCTS, a") in reported
        world.table.spoil(self.PRODUCTS, **whole)
        world.run_until(START + 5 * MINUTE)
        assert accepted(world) == ["c1", "c2"]

    def test_a_message_on_its_way_comes_again_and_its_ticket_is_not_cancelled(
        self, world, reported
    ):
        waiting(world, "c1")
        world.dispatcher()
        self.spoil(world)
        with pytest.raises(errors.Unreadable):
            world.worker(RefreshMessage("c1", "a", 1))
        assert world.ticket("c1").status is TicketStatus.SENT

    def test_its_slot_is_planned_once_it_is_repaired_and_other_slots_at_once(self, world, reported):
        world.assign("c1", "a")
        world.assign("c2", "b")
        world.runs.put(RefreshRun("a", START), 0)
        world.runs.put(RefreshRun("b", START), 0)
        whole = self.spoil(world)
        assert [planned.opened for planned in world.planner.resume(always)] == [1]
        world.table.spoil(self.PRODUCTS, **whole)
        world.clock += HALF_AN_HOUR
        assert [planned.opened for planned in world.planner.resume(always)] == [1]


class TestTheHubsOwn:
    def test_a_run_does_not_stop_the_runs_of_other_products(self, world, reported):
        world.assign("c1", "b")
        world.runs.put(RefreshRun("a", START), 0)
        world.runs.put(RefreshRun("b", START + MINUTE), 0)
        world.table.spoil(ItemKey("RUNS#a", "2026-07-01T00:00:00.000000+00:00"), shard="first")
        assert [planned.opened for planned in world.planner.resume(always)] == [1]
        assert reported.count("item_unreadable") == 1

    def test_an_index_place_changed_by_hand_holds_up_no_item(self, world, reported):
        waiting(world, "c1", "c2")
        world.assign("c3", "b")
        world.runs.put(RefreshRun("b", START), 0)
        for key, group in (
            (ticket_key("c1"), "DUE#a"),
            (ItemKey("RUNS#b", "2026-07-01T00:00:00.000000+00:00"), "RUNS"),
        ):
            attributes, version, _ = world.table.items[key]
            assert world.table.put(key, attributes, version, Listed(group, "2026-06-31"))
        assert [planned.opened for planned in world.planner.resume(always)] == [1]
        world.dispatching().run_until(START + 2 * MINUTE)
        assert accepted(world) == ["c1", "c2", "c3"]

    def test_an_unreadable_limiter_stops_calls_until_a_probe_repairs_it(self, world, reported):
        waiting(world, "c1", "c2", "c3")
        world.limiters.put(RateLimiter(), 0)
        world.table.spoil(ItemKey(CODAT, "GATE"), calls="many")
        world.dispatching().run_until(START + 5 * MINUTE)
        assert not world.codat.calls
        assert reported == [("item cannot be read", "CODAT / GATE"), "item_unreadable"]
        world.run_until(START + 8 * MINUTE)
        assert accepted(world) == ["c1", "c2", "c3"]
        assert world.limiters.get()[0].breaker.cause is None

    def test_an_unreadable_limiter_holds_up_a_migration_for_a_minute(self, world, reported):
        world.limiters.put(RateLimiter(), 0)
        world.table.spoil(ItemKey(CODAT, "GATE"), calls="many")
        admit = replace(for_migrations(world.limiters, 5), now=world.now)
        with pytest.raises(RateLimited):
            admit()
        assert reported.count("item_unreadable") == 1
        world.clock += timedelta(seconds=62)
        admit()
        assert reported.count("item_unreadable") == 1

    def test_the_dispatcher_works_without_its_memory_and_the_last_notice(self, world, reported):
        waiting(world, "c1")
        stamp = Stamp(START, "e")
        world.table.put(ItemKey(CODAT, "DISPATCH"), {"busy_until": "noon"}, 0)
        world.table.put(ItemKey(CODAT, "RATE_LIMIT"), {"at": "noon"}, 0)
        world.dispatching().run_until(START + 2 * MINUTE)
        assert accepted(world) == ["c1"]
        assert DispatchStore(world.table).get()[0].busy_until is not None
        _, version = world.notices.get()
        assert world.notices.put(RateLimitNotice(stamp, None), version)
        assert world.notices.get()[0] == RateLimitNotice(stamp, None)

    def test_codat_is_asked_again_for_the_client_of_the_key(self, world, reported):
        checks = ClientCheckStore(world.table)
        world.table.put(ItemKey(CODAT, "CLIENT"), {"bound_to": "c"}, 0)
        assert checks.last() is None
        check = ClientCheck(bound_to="c", reported="c", key_version="1", checked_at=START)
        checks.keep(check)
        assert checks.last() == check


def test_freshness_has_no_row_for_an_unreadable_item(world, reported):
    states = ReadStateStore(world.table)
    for company_id in ("c1", "c2", "c3", "c4"):
        world.assign(company_id, "a")
    world.table.put(ItemKey("COMPANY#c1", "READS#a"), {"last_read_at": "noon"}, 0)
    world.table.spoil(ItemKey("COMPANY#c2", "DIRECTORY"), listed=["noon", "e"])
    world.table.spoil(ItemKey("COMPANY#c3", "PRODUCT#a"), status="paused")
    measure = MeasureFreshness(
        world.companies, world.assignments, states, world.registry, SHARDS, world.now
    )
    rows = measure.page("a", Cursor(), 10).rows
    assert [row.company_id for row in rows] == ["c4"]
    assert reported.count("item_unreadable") == 3
