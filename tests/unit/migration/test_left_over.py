from datetime import timedelta

import pytest

from codat_hub.codat.errors import Busy, Forbidden, NotFound, OutcomeUnknown, Permanent, TryLater
from codat_hub.errors import StepFailed
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import MigrationStatus
from codat_hub.migration.steps import left_over
from codat_hub.migration.steps.left_over import (
    PATIENCE,
    Attempts,
    Item,
    kept,
    not_restored,
    still_on,
)
from codat_hub.migration.usecases import outages
from codat_hub.migration.usecases.context import CLIENT, company_entry, product_entry
from tests.support.migration.step_world import ID, NOW

PRODUCT = "lending"
PHASE = "remove_products"


@pytest.fixture
def world(world):
    world.company("a")
    world.company("b")
    return world


def back(world, phase=PHASE):
    return Attempts.back(world.context, world.undo("a", "b", epoch=2), world.run, phase)


def attempt(attempts, fault=None, item=None):
    """Try one item, and return the tally."""

    def act(tally):
        if fault:
            raise fault
        return tally.did()

    return attempts.attempt(Tally(2), item or kept("a", PRODUCT), act)


def left(world):
    world.change(status=MigrationStatus.ROLLING_BACK)
    return [left_over.shown(entry) for entry in left_over.left(world.ledger, world.run).values()]


class TestAttempts:
    @pytest.mark.parametrize("fault", [Permanent, Forbidden, NotFound, StepFailed])
    def test_a_refusal_counts_at_once_and_is_named(self, world, fault):
        attempts = back(world)
        tally = attempt(attempts, fault("no such plan"))
        assert (tally.failed, tally.done) == (1, 0)
        assert tally.reasons[0].startswith("a: keeps lending; ")
        assert tally.reasons[0].endswith(": no such plan")
        assert attempts.end(tally).next == "done"
        (item,) = left(world)
        assert (item["company_id"], item["product"]) == ("a", PRODUCT)
        assert item["error"] == "no such plan"

    @pytest.mark.parametrize("fault", [TryLater, OutcomeUnknown, Busy])
    def test_a_failure_that_may_pass_counts_after_an_hour(self, world, fault):
        for minutes in (0, 15, 30, 59):
            world.now = NOW + timedelta(minutes=minutes)
            attempts = back(world)
            tally = attempt(attempts, fault("away"))
            assert (tally.failed, attempts.end(tally).next, left(world)) == (0, "again", [])
        world.now = NOW + PATIENCE
        attempts = back(world)
        assert attempt(attempts, fault("away")).failed == 1
        assert attempts.again_or_done().next == "done"

    def test_a_failure_that_may_pass_is_tried_five_times_at_least(self, world):
        attempt(back(world), TryLater("away"))
        world.now = NOW + timedelta(days=1)
        failed = [attempt(back(world), TryLater("away")).failed for _ in range(4)]
        assert failed == [0, 0, 0, 1]

    def test_the_pause_before_the_next_try_grows(self, world):
        def pause(seconds):
            world.now = NOW + timedelta(seconds=seconds)
            attempts = back(world)
            attempt(attempts, TryLater("away"))
            return attempts.again_or_done().wait_seconds

        assert [pause(seconds) for seconds in (0, 20, 2000)] == [5, 20, 300]

    def test_the_pause_is_that_of_the_longest_failure(self, world):
        attempt(back(world), TryLater("away"))
        world.now = NOW + timedelta(seconds=60)
        attempts = back(world)
        attempt(attempts, TryLater("away"))
        attempt(attempts, TryLater("away"), kept("b", PRODUCT))
        assert attempts.again_or_done().wait_seconds == 60

    def test_another_phase_or_round_has_an_hour_of_its_own(self, world):
        attempt(back(world), TryLater("away"))
        world.now = NOW + PATIENCE
        assert attempt(back(world, "another"), TryLater("away")).failed == 0
        world.change(attempts=1)
        assert attempt(back(world), TryLater("away")).failed == 0

    def test_what_was_given_up_is_tried_again_in_the_next_round_only(self, world):
        attempt(back(world), Permanent("refused"))
        again = attempt(back(world))
        assert (again.done, again.failed) == (0, 1)
        assert again.reasons[0].endswith(": refused")
        world.change(attempts=1)
        assert attempt(back(world)).done == 1
        assert left(world) == []

    def test_the_rounds_in_which_an_item_failed_are_counted_once_each(self, world):
        for round_ in (0, 0, 1):
            world.change(attempts=round_)
            back(world).leave(kept("a", PRODUCT), "refused")
        entry = world.entry(left_over.name_back(kept("a", PRODUCT)))
        assert entry.detail["rounds"] == 2

    def test_a_success_without_a_failure_before_writes_nothing(self, world):
        assert attempt(back(world)).done == 1
        assert world.entry(left_over.name_back(kept("a", PRODUCT))) == LedgerEntry()

    def test_which_products_a_company_keeps(self, world):
        attempt(back(world), Permanent("refused"))
        assert back(world).products_left("a") == [PRODUCT]
        assert back(world).products_left("b") == []
        assert not back(world).leaves(not_restored("a"))

    def test_a_phase_back_does_not_take_over_the_refusals_of_another(self, world):
        attempt(back(world), Permanent("refused"))
        assert attempt(back(world, "another")).done == 1

    def test_the_two_directions_do_not_mix(self, world):
        forward = Attempts.forward(world.context, world.command("a"), world.run, PHASE)
        assert attempt(forward, Permanent("refused"), still_on("a")).failed == 1
        assert not back(world).leaves(still_on("a"))
        assert list(left_over.left(world.ledger, world.run)) == ["LEFT#apply#company#a#settings"]
        assert left(world) == []

    def test_the_client_has_an_item_of_its_own(self, world):
        attempts = Attempts.back(world.context, world.undo(epoch=2), world.run, CLIENT)
        tally = attempt(attempts, Permanent("refused"), left_over.client_not_restored())
        assert tally.reasons[0].startswith("client: the client settings are not restored")
        assert left(world)[0]["company_id"] is None
        attempts = Attempts.back(world.context, world.undo(epoch=2), world.run, CLIENT)
        assert attempts.leaves(left_over.client_not_restored())

    def test_an_act_for_the_client_is_tried_once_a_round(self, world):
        item, acted = left_over.not_back("old"), []

        def act():
            acted.append(1)
            raise Permanent("refused")

        for _ in range(2):
            attempts = Attempts.back(world.context, world.undo(epoch=2), world.run, CLIENT)
            attempts.try_client(item, act)
        assert acted == [1]
        assert attempts.leaves(item)
        assert [(each["consumer"], each["error"]) for each in left(world)] == [("old", "refused")]

    def test_a_step_forward_saves_its_tally_under_its_phase(self, world):
        forward = Attempts.forward(world.context, world.command("a"), world.run, PHASE)
        assert forward.end(attempt(forward)).next == "done"
        assert (world.tally(PHASE).done, world.tally(PHASE).finished) == (1, True)

    def test_a_failure_that_may_pass_is_what_the_run_waits_for(self, world):
        attempts = back(world)
        attempt(attempts, TryLater("away"))
        attempts.again_or_done()
        waits = "Codat, since 22 November 10:15 UTC: away"
        assert outages.waits_for(world.ledger, world.run) == waits
        other = world.command("b", listing="late-1", epoch=2)
        Attempts.back(world.context, other, world.run, PHASE).again_or_done()
        assert outages.waits_for(world.ledger, world.run) == waits
        back(world).again_or_done()
        assert outages.waits_for(world.ledger, world.run) is None

    def test_an_item_shows_only_the_facts_that_it_has(self, world):
        back(world).leave(not_restored("a"), "refused")
        back(world).leave(left_over.client_not_restored(), "refused")
        assert [{*item} - {"what", "error"} for item in left(world)] == [{"company_id"}] * 2

    def test_what_is_noted_stays_for_the_versions_to_come(self, world):
        attempt(back(world), Permanent("refused"))
        item = kept("a", PRODUCT)
        entry = world.entry("LEFT#compensate#company#a#product#lending")
        assert entry == LedgerEntry(
            before={"company_id": "a", "product": PRODUCT},
            outcome="left",
            detail={
                "what": item.what,
                "error": "refused",
                "since": NOW.isoformat(),
                "tries": 1,
                "phase": PHASE,
                "round": 0,
                "rounds": 1,
            },
        )

    def test_an_outage_of_an_hour_is_borne(self):
        assert timedelta(minutes=65) == PATIENCE


class TestNameAll:
    def test_everything_that_was_not_undone_is_named_once(self, world):
        names = (
            company_entry("a"),
            product_entry("a", PRODUCT),
            "NEW_CONSUMER#hub",
            CLIENT,
            "OLD_CONSUMER#old",
        )
        world.ledger.intend(ID, 1, {name: LedgerEntry({}) for name in names})
        attempt(back(world), Permanent("refused"))
        for _ in range(2):
            left_over.name_all(world.context, world.undo(epoch=2), "the rollback stopped")
        found = {(item["company_id"], item["what"].split(",")[0]): item for item in left(world)}
        assert set(found) == {
            ("a", "its settings are not restored"),
            ("a", "keeps lending; its reads have no old consumer to go to"),
            (None, "the new webhook consumer hub is not deleted"),
            (None, "the client settings are not restored"),
            (None, "the old webhook consumer old is not back"),
        }
        errors = {key: item["error"] for key, item in found.items()}
        assert errors.pop(("a", "keeps lending; its reads have no old consumer to go to")) == (
            "refused"
        )
        assert set(errors.values()) == {"the rollback stopped"}
        assert {item.get("consumer") for item in found.values()} == {None, "hub", "old"}

    def test_companies_that_keep_a_product_are_told_from_settings(self, world):
        attempt(back(world), Permanent("refused"))
        attempt(back(world), Permanent("refused"), not_restored("b"))
        assert left_over.companies_that_keep(world.ledger, world.run) == {"a"}
        world.change(attempts=1)
        attempt(back(world))
        assert left_over.companies_that_keep(world.ledger, world.run) == set()


def test_a_rollback_that_died_names_what_the_ledger_has(world):
    world.ledger.intend(ID, 1, {product_entry("a", PRODUCT): LedgerEntry({"had": False})})
    world.change(status=MigrationStatus.ROLLBACK_INCOMPLETE, error="it died")
    (entry,) = left_over.left(world.ledger, world.run).values()
    shown = left_over.shown(entry)
    assert (shown["company_id"], shown["product"], shown["error"]) == ("a", PRODUCT, "it died")


class TestRequireNothing:
    def require(self, world):
        left_over.require_nothing(world.context, world.undo(epoch=2))

    def test_a_run_that_was_undone_passes(self, world):
        self.require(world)

    @pytest.mark.parametrize(("count", "more"), [(5, ""), (7, " and 2 more")])
    def test_five_items_are_named(self, world, count, more):
        world.change(status=MigrationStatus.ROLLING_BACK)
        attempts = back(world)
        for number in range(count):
            item = product_entry(f"c{number}", PRODUCT)
            world.ledger.intend(ID, 1, {item: LedgerEntry({"had": False})})
            attempts.leave(kept(f"c{number}", PRODUCT), "refused")
        with pytest.raises(StepFailed) as failed:
            self.require(world)
        text = str(failed.value)
        assert text.startswith("not everything was undone: c0: keeps lending")
        assert text.count("refused") == 5
        assert text.endswith(f"refused{more}")

    def test_what_no_step_noted_is_named_all_the_same(self, world):
        world.ledger.intend(ID, 1, {"NEW_CONSUMER#hub": LedgerEntry({})})
        with pytest.raises(StepFailed, match="the new webhook consumer hub is not deleted"):
            self.require(world)

    def test_of_what_no_step_noted_the_first_is_named(self, world):
        names = ("NEW_CONSUMER#a", "NEW_CONSUMER#b")
        world.ledger.intend(ID, 1, {name: LedgerEntry({}) for name in names})
        with pytest.raises(StepFailed, match=r"the new webhook consumer a is not deleted$"):
            self.require(world)

    def test_what_belongs_to_the_client_is_named_as_such(self, world):
        world.change(status=MigrationStatus.ROLLING_BACK)
        world.ledger.intend(ID, 1, {CLIENT: LedgerEntry({})})
        back(world).leave(left_over.client_not_restored(), "refused")
        with pytest.raises(StepFailed, match="undone: client: the client settings are not"):
            self.require(world)


@pytest.mark.parametrize("look", [left_over.settings_of, left_over.products_of])
class TestGone:
    def test_a_company_that_is_gone_has_nothing(self, world, look):
        world.codat.delete("a")
        assert look(world.context, "a") is None

    def test_one_404_alone_proves_nothing(self, world, look):
        del (world.codat.levels if look is left_over.settings_of else world.codat.companies)["a"]
        with pytest.raises(TryLater, match="Codat answers 404 for"):  # the other may be behind
            look(world.context, "a")

    def test_a_company_that_is_there_has_something(self, world, look):
        assert look(world.context, "a") is not None


def test_a_settled_item_shows_who_decided_and_why(world):
    attempt(back(world), Permanent("refused"))
    world.change(status=MigrationStatus.ROLLING_BACK)
    decision = {"reason": "closed", "by": "pat", "at": "2026-11-22"}
    name = left_over.name_back(kept("a", PRODUCT))
    # the word is in the ledger of runs that exist
    world.ledger.note(ID, name, lambda entry: entry.came_to("settled", entry.detail | decision))
    (entry,) = left_over.settled(world.ledger, world.run).values()
    shown = left_over.shown_settled(entry)
    assert shown.items() >= decision.items()
    assert (shown["company_id"], shown["error"]) == ("a", "refused")
    assert left(world) == []


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (left_over.not_added("a", "lending"), "lending is not added"),
        (still_on("a"), "its settings are as before"),
        (kept("a", "lending"), "keeps lending"),
        (not_restored("a"), "its settings are not restored"),
        (left_over.not_deleted("new"), "the new webhook consumer new is not deleted"),
        (left_over.not_back("old"), "the old webhook consumer old is not back"),
        (left_over.client_not_restored(), "the client settings are not restored"),
    ],
)
def test_each_item_says_what_is_left(item, words):
    assert item.what.startswith(words)


def test_names_tell_items_apart():
    items = [kept("a", "x"), kept("a", "y"), not_restored("a"), Item(None, "x"), Item(None, "y")]
    assert len({item.name for item in items}) == 5
    assert not_restored("a").name == still_on("a").name
