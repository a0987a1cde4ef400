import pytest

from codat_hub.migration.domain.chunk import ListedCompany, Tally
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import MigrationRequest, MigrationStatus
from codat_hub.migration.usecases import listing
from codat_hub.migration.usecases.context import company_entry
from codat_hub.migration.usecases.listing import LATE_ROUNDS, all_chunks, find_late, late_unchecked
from tests.support.migration.step_world import ID, StepWorld


def a_world(*company_ids, **request):
    """Return a world with companies at Codat; a page lists two."""
    world = StepWorld(**request)
    for company_id in company_ids:
        tags = {"region": company_id[0]}
        world.codat.companies[company_id] = ListedCompany(company_id, True, ("had",), tags)
    return world


def list_companies(world, **fields):
    return listing.list_companies(world.context, world.command(**fields), "plan")


def ids(world, name="plan"):
    chunks = world.manifests.get(f"{ID}/{name}.json")
    return [member["company_id"] for chunk in chunks for member in chunk["members"]]


class TestList:
    def test_every_page_is_listed_and_the_chunks_are_counted(self):
        world = a_world("a1", "a2", "a3", "a4", "a5")
        listed = list_companies(world)
        assert (listed.next, listed.manifest, listed.listing) == ("done", f"{ID}/plan.json", "plan")
        assert listed.epoch == 1
        assert ids(world) == ["a1", "a2", "a3", "a4", "a5"]
        assert world.run.chunks["plan"] == 1
        facts = listing.facts_of(world.context, ID, "plan")
        assert (facts["companies"], facts["left_behind"]) == (5, 0)

    def test_a_member_is_as_codat_lists_it(self):
        world = a_world("a1", "a2")
        world.codat.companies["a2"] = ListedCompany("a2", False, ("x", "y"), {})
        list_companies(world)
        (chunk,) = world.manifests.get(f"{ID}/plan.json")
        assert chunk["members"] == [
            {"company_id": "a1", "linked": True, "products": ["had"]},
            {"company_id": "a2", "linked": False, "products": ["x", "y"]},
        ]

    def test_out_of_time_it_goes_on_at_the_next_page(self):
        world = a_world("a1", "a2", "a3", "a4", "a5")
        for _ in range(2):
            assert list_companies(world, more_time=lambda: False).next == "again"
        assert list_companies(world).next == "done"
        assert ids(world) == ["a1", "a2", "a3", "a4", "a5"]

    def test_no_page_is_asked_for_twice(self):
        world = a_world("a1", "a2", "a3", "a4", "a5", tags={"region": "b"})
        pages, inner = [], world.codat.companies_page

        def companies_page(page):
            pages.append(page)
            return inner(page)

        world.codat.companies_page = companies_page
        while list_companies(world, more_time=lambda: False).next == "again":
            pass
        assert pages == [1, 2, 3]
        assert listing.facts_of(world.context, ID, "plan")["left_behind"] == 5

    @pytest.mark.parametrize(("region", "listed"), [("a", "companies"), ("b", "nothing")])
    def test_a_map_over_no_company_is_not_entered(self, region, listed):
        world = a_world("a1", tags={"region": region})
        assert list_companies(world).listed == listed

    def test_a_listing_that_is_done_asks_codat_for_nothing(self):
        world = a_world("a1")
        first = list_companies(world)
        world.codat.companies_page = None
        assert list_companies(world) == first

    def test_a_company_that_is_on_two_pages_counts_once(self):
        world = a_world("a1", "a2", "a3")
        pages = [("a1", "a2"), ("a2", "a3")]
        world.codat.companies_page = lambda page: (
            [world.codat.companies[name] for name in pages[page - 1]],
            page < 2,
        )
        list_companies(world)
        assert ids(world) == ["a1", "a2", "a3"]
        assert listing.facts_of(world.context, ID, "plan")["companies"] == 3


class TestSubset:
    def test_it_lists_what_it_covers_and_counts_what_is_left_behind(self):
        world = a_world("a1", "b1", "b2", tags={"region": "a"})
        list_companies(world)
        assert ids(world) == ["a1"]
        assert listing.facts_of(world.context, ID, "plan")["left_behind"] == 2

    def test_companies_of_an_earlier_complete_run_are_not_left_behind(self):
        world = a_world("a1", "b1", company_ids=("a1",))
        world.another("m-0", status=MigrationStatus.COMPLETE)
        world.ledger.first("m-0", company_entry("b1"), LedgerEntry({"settings": None}))
        list_companies(world)
        assert listing.facts_of(world.context, ID, "plan")["left_behind"] == 0


class TestLate:
    def late(self, world):
        return find_late(world.context, world.command())

    def worked_on(self, world, listing):
        """Let the step that adds products come to the end of a listing."""
        world.ledger.put_tally(ID, "add_products", f"{listing}-000000", Tally(1, finished=True))

    def known(self, world, *company_ids):
        for company_id in company_ids:
            entry = LedgerEntry({"settings": None})
            world.ledger.first(ID, company_entry(company_id), entry)

    def test_companies_without_a_snapshot_are_late(self):
        world = a_world("a1", "a2", "a3")
        self.known(world, "a1", "a3")
        found = self.late(world)
        assert (found.next, found.listing) == ("late", "late-1")
        assert ids(world, "late-1") == ["a2"]

    def test_the_next_round_finds_nothing_once_all_are_known(self):
        world = a_world("a1", "a2")
        self.known(world, "a1")
        self.late(world)
        self.known(world, "a2")
        self.worked_on(world, "late-1")
        assert self.late(world).next == "done"
        assert world.run.late_listings == ["late-1"]

    def test_a_repeat_of_a_round_is_the_same_round(self):
        world = a_world("a1", "a2")
        self.known(world, "a1")
        first = self.late(world)
        assert self.late(world) == first
        self.worked_on(world, "late-1")
        self.known(world, "a2")
        for _ in range(2 * LATE_ROUNDS):
            assert self.late(world).next == "done"
        assert world.run.chunks == {"snapshot": 1, "undo": 1, "late-1": 1, "late-2": 0}
        assert world.run.notes == ("appeared during the run and taken in: a2",)

    def test_out_of_time_it_is_asked_again(self):
        world = a_world("a1", "a2", "a3")
        found = find_late(world.context, world.command(more_time=lambda: False))
        assert found.next == "again"

    def test_a_subset_takes_no_company_along_while_others_are_left_behind(self):
        world = a_world("a1")
        world.change(everyone=False)
        assert self.late(world).next == "done"
        assert world.run.late_listings == []

    @pytest.mark.parametrize("choice", [{"company_ids": ("a1",)}, {"tags": {"region": "uk"}}])
    def test_the_last_subset_takes_in_every_late_company(self, choice):
        world = a_world("a1", "a2")
        world.change(request=MigrationRequest(("lending",), **choice))
        self.known(world, "a1")
        assert self.late(world).next == "late"
        assert ids(world, "late-1") == ["a2"]
        assert world.run.notes == ("appeared during the run and taken in: a2",)

    def test_the_last_subset_takes_in_no_company_that_an_earlier_run_migrated(self):
        world = a_world("a1", "b1", company_ids=("a1",))
        world.another("m-0", status=MigrationStatus.COMPLETE)
        for company_id in ("a1", "b1"):
            name, entry = company_entry(company_id), LedgerEntry({"settings": None})
            world.ledger.first("m-0", name, entry)
        assert self.late(world).next == "late"
        assert ids(world, "late-1") == ["a1"]

    def test_after_some_rounds_the_rest_is_noted(self):
        world = a_world("a1")
        rounds = {f"late-{number}": 1 for number in range(1, LATE_ROUNDS + 1)}
        world.change(chunks=rounds)
        self.worked_on(world, f"late-{LATE_ROUNDS}")
        assert self.late(world).next == "done"
        assert world.run.notes[0].startswith("companies keep appearing")


@pytest.mark.parametrize(
    ("chunks", "unchecked"),
    [
        ((), True),
        ((1,), True),
        ((1, 0), False),
        ((1,) * (LATE_ROUNDS - 1), True),
        ((1,) * LATE_ROUNDS, False),
    ],
)
def test_late_companies_may_be_missing_until_a_look_finds_none_or_it_was_the_last(
    world, chunks, unchecked
):
    rounds = {f"late-{number}": count for number, count in enumerate(chunks, 1)}
    world.change(chunks={"snapshot": 0, **rounds})
    assert late_unchecked(world.run) is unchecked
    world.change(everyone=False)
    assert not late_unchecked(world.run)


def test_the_undo_works_on_the_chunks_of_the_snapshot_and_of_late_companies():
    world = StepWorld()
    for name in ("plan", "snapshot", "late-1"):
        world.manifests.put(f"{ID}/{name}.json", [{"name": f"{name}-000000", "members": []}])
    world.change(chunks={"plan": 1, "snapshot": 1, "late-1": 1, "late-2": 0})
    found = all_chunks(world.context, world.command())
    names = [chunk["name"] for chunk in world.manifests.get(found.manifest)]
    assert (found.listing, names) == ("undo", ["undo-snapshot-000000", "undo-late-1-000000"])
    assert world.run.chunks["undo"] == 2


def test_the_undo_works_on_companies_of_a_manifest_that_is_lost():
    world = StepWorld()
    member = {"company_id": "a", "linked": True, "products": []}
    facts = {"settings": None, "linked": False, "products": ["had"]}
    world.manifests.put(f"{ID}/late-1.json", [{"name": "late-1-000000", "members": [member]}])
    world.change(chunks={"snapshot": 1, "late-1": 1})
    for company_id in ("a", "b"):
        world.ledger.first(ID, company_entry(company_id), LedgerEntry(facts))
    found = all_chunks(world.context, world.command())
    chunks = world.manifests.get(found.manifest)
    (listed,), (lost,) = (chunk["members"] for chunk in chunks)
    assert listed == member
    assert lost == {"company_id": "b", "linked": False, "products": ["had"]}
    assert [chunk["name"] for chunk in chunks] == ["undo-late-1-000000", "undo-ledger-000000"]
    assert world.run.chunks["undo"] == 2
