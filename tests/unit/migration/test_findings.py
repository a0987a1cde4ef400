"""Which consumers are old, and which ones a plan creates."""

from dataclasses import replace

import pytest

from codat_hub.errors import StepFailed
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.consumers import Consumer
from codat_hub.migration.domain.plan import ProductCount, Survey, digest_of
from codat_hub.migration.domain.run import FirstLink, MigrationRequest
from codat_hub.migration.steps import planning
from codat_hub.migration.steps.findings import (
    client_facts,
    client_of,
    counted,
    lost_since_snapshot,
    old_consumers,
    require_all,
    survey_of,
    survey_total,
    wanted_of,
)
from tests.support.migration.fakes import settings
from tests.support.migration.planned import OLD, listed, planned
from tests.support.migration.step_world import HUB_URL, ID


def test_plain_reads_come_to_the_hub_once_old_consumers_are_switched_off(world):
    world.company("a", 6)
    world.codat.hooks = [OLD]
    planned(world)
    names = [made["name"] for made in wanted_of(world.run)]
    assert names == ["product-lending", "product-standard", "successor-1"]


def test_a_disabled_consumer_is_not_old(world):
    world.company("a", 6)
    world.codat.hooks = [replace(OLD, disabled=True)]
    planned(world)
    assert [made["name"] for made in wanted_of(world.run)] == ["product-lending"]


def test_while_companies_are_left_behind_no_consumer_is_old(world):
    world.company("a", 6)
    world.codat.hooks = [OLD]
    ids = listed(world)
    facts = {"companies": 1, "left_behind": 1}
    world.ledger.note(ID, "LISTING#plan", lambda entry: entry.came_to("listed", facts))
    planning.survey(world.context, world.command(*ids, listing="plan"))
    planning.finish_plan(world.context, world.command())
    assert not world.run.everyone
    assert [made["name"] for made in wanted_of(world.run)] == ["product-lending"]


def test_old_are_those_of_the_snapshot_that_were_enabled(world):
    others = [replace(OLD, consumer_id="2", disabled=True), Consumer("3", "https://x", ("a",))]
    world.save_client(OLD, *others)
    world.codat.hooks = []
    assert old_consumers(world.context, ID) == [OLD]


def test_before_the_snapshot_no_consumer_is_old_and_none_was_lost(world):
    assert old_consumers(world.context, ID) == []
    assert [facts["name"] for facts in lost_since_snapshot(world.context, world.run, [])] == []


class TestLostSinceTheSnapshot:
    KEPT = Consumer("9", f"{HUB_URL}/lending", ("lending.read.completed",))

    def lost(self, world, *present):
        return [
            facts["name"] for facts in lost_since_snapshot(world.context, world.run, list(present))
        ]

    def test_a_kept_consumer_that_is_gone_is_to_be_replaced(self, world):
        world.save_client(self.KEPT)
        assert self.lost(world, self.KEPT) == []
        assert self.lost(world) == ["product-lending"]

    def test_one_that_the_run_made_itself_does_not_stand_in_for_it(self, world):
        world.save_client(self.KEPT)
        made = replace(self.KEPT, url=f"{HUB_URL}/lending?migration={ID}")
        assert self.lost(world, made) == ["product-lending"]
        other = replace(self.KEPT, url=f"{HUB_URL}/lending?migration=m-1")
        assert self.lost(world, other) == []

    def test_what_the_plan_creates_anyway_was_not_lost(self, world):
        world.save_client()
        assert self.lost(world) == []

    def test_plain_reads_are_needed_only_if_old_consumers_are_switched_off(self, world):
        plain = Consumer("8", f"{HUB_URL}/standard", ("read.completed",))
        hub = replace(plain, url=f"{HUB_URL}/standard?migration=m-1")
        world.save_client(self.KEPT, OLD, hub)
        assert self.lost(world, self.KEPT, OLD) == ["product-standard"]
        world.change(everyone=False)
        assert self.lost(world, self.KEPT, OLD) == []


class TestSurveyOfOneCompany:
    def survey(self, world, company_id, request=None):
        member, level = world.member(company_id), world.codat.levels[company_id]
        request = request or world.run.request
        return survey_of(world.context, request, member, level, set(member.products))

    def digest(self, world, company_id, *had):
        return (digest_of(company_id, world.codat.levels[company_id], had),)

    def test_its_own_schedules_are_overrides(self, world):
        world.company("a", 24, 6, 0)
        assert self.survey(world, "a") == Survey(
            companies=1,
            linked=1,
            overriding=("a",),
            overriding_count=1,
            reading=1,
            products={"lending": ProductCount(adds=1)},
            shortest_hours=6,
            digests=self.digest(world, "a"),
        )

    def test_inherited_schedules_are_the_clients(self, world):
        world.company("a", 24, 6, counts=False, linked=False)
        assert self.survey(world, "a") == Survey(
            companies=1,
            unlinked=("a",),
            reading=1,
            products={"lending": ProductCount(adds=1)},
            digests=self.digest(world, "a"),
        )

    def test_own_schedules_that_are_off_change_nothing(self, world):
        world.company("a", 0, -1, products=("banking", "lending"))
        found = self.survey(world, "a")
        assert found == Survey(
            companies=1,
            linked=1,
            products={"lending": ProductCount(had=1)},
            digests=self.digest(world, "a", "lending"),
        )
        first_link = replace(world.run.request, fetch_on_first_link=FirstLink.OFF)
        assert self.survey(world, "a", first_link).overriding == ("a",)

    @pytest.mark.parametrize(("counts", "names"), [(True, ("a: t1, t2",)), (False, ())])
    def test_own_schedules_that_are_locked_stay_on(self, world, counts, names):
        world.company("a", 24, 6, 12, counts=counts)
        for setting in world.codat.levels["a"]["settings"][1:]:
            setting["isLocked"] = True
        found = self.survey(world, "a")
        assert found.locked == names
        assert found.shortest_hours == (24 if counts else None)

    def test_without_consent_or_product_nothing_is_added(self, world):
        world.company("a", 6, consent=False)
        world.company("b", 6, consent=False)
        world.consent("b", "banking")
        request = MigrationRequest(("lending", "banking", "unknown"))
        nothing, one = ProductCount(without_consent=1), ProductCount(adds=1)
        found = self.survey(world, "a", request).products
        assert found == dict.fromkeys(request.products, nothing)
        found = self.survey(world, "b", request).products
        assert found == {"lending": nothing, "banking": one, "unknown": nothing}


def test_a_survey_adds_up_by_company_and_by_chunk(world):
    one = Survey(companies=1, digests=("d1",))
    tally = counted(counted(Tally(1), one), replace(one, digests=("d2",)))
    assert (tally.done, tally.survey) == (2, Survey(companies=2, digests=("d1", "d2")))
    other = Tally(1, survey=replace(one, digests=("d3",)))
    for phase, name, each in (
        ("survey", "plan-000000", tally),
        ("survey", "plan-000001", Tally(1)),
        ("survey", "plan-000002", other),
        ("survey", "late-000000", other),
        ("snapshot", "plan-000000", other),
    ):
        world.ledger.put_tally(ID, phase, name, each)
    total = survey_total(world.context, world.command(), "survey", "plan")
    assert total == Survey(companies=3, digests=("d1", "d2", "d3"))


class TestClient:
    def client(self, world, *present, left_behind=0, companies=1):
        facts = {"companies": companies, "left_behind": left_behind}
        world.ledger.note(ID, "LISTING#plan", lambda entry: entry.came_to("listed", facts))
        return client_of(world.context, world.run, world.codat.client, list(present), "plan")

    def test_everything_that_the_plan_needs_is_found(self, world):
        world.change(request=MigrationRequest(("lending", "banking")))
        off, kept = replace(OLD, consumer_id="2", disabled=True), Consumer("3", "https://x", ("a",))
        found = self.client(world, OLD, off, kept)
        assert (found.settings, found.off) == (settings(24, 0), 0)
        assert (found.present, found.old) == ([OLD, off, kept], [OLD])
        assert (found.standard, found.everyone, found.refusals) == (("banking",), True, ())
        names = [made.name for made in found.wanted]
        assert names == ["product-lending", "product-standard", "successor-1"]

    def test_a_standard_product_of_the_run_needs_plain_reads(self, world):
        world.change(request=MigrationRequest(("banking",)))
        names = [made.name for made in self.client(world).wanted]
        assert names == ["product-standard"]

    def test_an_approval_is_bound_to_these_facts(self, world):
        facts = client_facts(self.client(world, replace(OLD, consumer_id="2"), OLD))
        assert facts["settings"] == settings(24, 0)
        assert [each["consumer_id"] for each in facts["consumers"]] == ["1", "2"]
        assert facts["consumers"][0]["event_types"] == list(OLD.event_types)
        assert facts["wanted"][0]["name"] == "product-lending"
        assert facts["everyone"] is True

    def test_while_companies_are_left_behind_only_products_need_consumers(self, world):
        found = self.client(world, OLD, left_behind=1)
        assert (found.everyone, found.old) == (False, [])
        assert [made.name for made in found.wanted] == ["product-lending"]

    def test_what_forbids_a_start_is_a_refusal_each(self, world):
        request = MigrationRequest(("nothing", "lending"), company_ids=("a", "a", "b", "c"))
        world.change(request=request)
        world.codat.client = settings(24)
        off, product, company = self.client(world, companies=1).refusals
        assert off.startswith("Refused: the client's settings do not show")
        assert product.startswith("Product nothing is not registered")
        assert company.startswith("2 of the company ids are unknown")
        assert self.client(world).off is None
        world.change(request=replace(request, products=("lending",), off_value=-1))
        found = self.client(world, companies=3)
        assert (found.off, found.refusals) == (-1, ())


class TestRequireAll:
    def require(self, world, failed, tolerated=0):
        world.change(
            chunks={"plan": 1}, request=MigrationRequest(("a",), tolerated_failures=tolerated)
        )
        tally = Tally(1, finished=True, done=1, failed=failed, reasons=("why",) * failed)
        world.ledger.put_tally(ID, "survey", "plan-000000", tally)
        require_all(world.context, world.command(), "survey", "plan")
        return world.run.notes

    def test_more_failures_than_tolerated_stop_the_run(self, world):
        with pytest.raises(StepFailed, match=r"^survey: 1 of 2 failed: why$"):
            self.require(world, failed=1)

    @pytest.mark.parametrize(("failed", "notes"), [(0, ()), (1, ("survey: 1 of 2 failed: why",))])
    def test_tolerated_ones_are_noted(self, world, failed, notes):
        assert self.require(world, failed, tolerated=1) == notes
