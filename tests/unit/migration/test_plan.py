from dataclasses import replace

import pytest

from codat_hub.migration.domain.consumers import Consumer, Wanted
from codat_hub.migration.domain.plan import (
    Client,
    ProductCount,
    Survey,
    by_company,
    ceiling,
    digest_of,
    make_plan,
    plan_hash,
)
from codat_hub.migration.domain.run import Activity, FirstLink, MigrationRequest, Mode

SETTINGS = {
    "clientId": "c",
    "settings": [
        {"dataType": "payments", "syncSchedule": 1},
        {"dataType": "items", "syncSchedule": 0},
    ],
    "overridesDefaults": True,
}
OLD = Consumer("1", "https://old.example", ("read.completed", "company.created"))
WANTED = Wanted("product-a", "https://hub.example/a?migration=m-1", ("a.read.completed",))
CLIENT = Client(SETTINGS, 0, (OLD,), (OLD,), (WANTED,))
SURVEY = Survey(
    companies=250,
    linked=200,
    overriding=("c1",),
    overriding_count=40,
    products={"a": ProductCount(adds=180, had=60, without_consent=10)},
    digests=("d1", "d2"),
)
NOBODY_HAS_IT = replace(SURVEY, products={"a": ProductCount(adds=180)})
REQUEST = MigrationRequest(("a",))


def test_calls_and_time_are_the_arithmetic_of_the_steps():
    plan = make_plan(REQUEST, CLIENT, SURVEY, calls_a_second=5)
    calls = {step.step: step.calls for step in plan.steps}
    assert calls == {
        "disable_client_sync": 3 * 41,
        "wait_for_quiet": 200,
        "disable_old_webhooks": 2,
        "configure_new_webhooks": 2,
        "add_products": 250 + 180,
    }
    assert plan.calls == 3 * 3 + 2 * 250 + sum(calls.values())
    assert plan.calls_seconds == -(-plan.calls // 5)
    assert (plan.companies, plan.linked, plan.everyone, plan.off_value) == (250, 200, True, 0)


@pytest.mark.parametrize(
    ("request_", "client", "survey", "text"),
    [
        (REQUEST, CLIENT, SURVEY, "40 companies with sync settings of their own"),
        (REQUEST, CLIENT, SURVEY, "50 companies without a linked connection"),
        (REQUEST, CLIENT, SURVEY, "a: the run skips 10 companies"),
        (REQUEST, CLIENT, NOBODY_HAS_IT, "a: no company at Codat has it yet"),
        (REQUEST, CLIENT, SURVEY, "consumer 1 also gets 1 other event type"),
        (replace(REQUEST, mode=Mode.API), CLIENT, SURVEY, "custom headers, mTLS"),
        (REQUEST, replace(CLIENT, standard=("lending",)), SURVEY, "lending is a standard product"),
        (REQUEST, replace(CLIENT, everyone=False), SURVEY, "companies are left behind"),
        (REQUEST, CLIENT, SURVEY, "fetchOnFirstLink is kept"),
        (replace(REQUEST, fetch_on_first_link=FirstLink.OFF), CLIENT, SURVEY, "Refresh all"),
    ],
)
def test_the_plan_warns(request_, client, survey, text):
    warnings = make_plan(request_, client, survey, 5).warnings
    assert any(text in warning for warning in warnings)


@pytest.mark.parametrize("count", [ProductCount(adds=180, had=1), ProductCount(without_consent=9)])
def test_a_product_that_a_company_has_or_none_gets_needs_no_trial(count):
    plan = make_plan(REQUEST, CLIENT, replace(SURVEY, products={"a": count}), 5)
    assert not any("nothing shows" in warning for warning in plan.warnings)


def test_portal_mode_keeps_old_consumers_so_they_need_room():
    many = tuple(replace(OLD, consumer_id=str(n)) for n in range(50))
    client = replace(CLIENT, present=many)
    assert "there would be 51" in make_plan(REQUEST, client, SURVEY, 5).refusals[0]
    assert not make_plan(replace(REQUEST, mode=Mode.API), client, SURVEY, 5).refusals


def test_the_hash_binds_what_was_found_and_not_the_order_it_was_found_in():
    same = plan_hash(REQUEST, CLIENT, SURVEY)
    assert same == plan_hash(REQUEST, CLIENT, replace(SURVEY, digests=("d2", "d1")))
    others = [
        (replace(REQUEST, mode=Mode.API), CLIENT, SURVEY),
        (replace(REQUEST, products=("a", "b")), CLIENT, SURVEY),
        (REQUEST, replace(CLIENT, settings={**SETTINGS, "overridesDefaults": False}), SURVEY),
        (REQUEST, replace(CLIENT, present=()), SURVEY),
        (REQUEST, replace(CLIENT, wanted=()), SURVEY),
        (REQUEST, replace(CLIENT, everyone=False), SURVEY),
        (REQUEST, CLIENT, replace(SURVEY, digests=("d1",))),
    ]
    assert len({same, *(plan_hash(*facts) for facts in others)}) == 1 + len(others)


def test_a_companys_digest_changes_with_its_own_settings_and_targets_only():
    inherited = {**SETTINGS, "overridesDefaults": False}
    assert digest_of("c", inherited, ["a"]) == digest_of("c", {**inherited, "settings": []}, ["a"])
    assert digest_of("c", SETTINGS, ["a"]) != digest_of("c", inherited, ["a"])
    assert digest_of("c", SETTINGS, ["a", "b"]) == digest_of("c", SETTINGS, ["b", "a"])
    assert digest_of("c", SETTINGS, ["a"]) != digest_of("c", SETTINGS, [])


def test_surveys_add_up():
    assert Survey().plus(SURVEY) == SURVEY
    one = replace(SURVEY, reading=2)
    total = one.plus(replace(SURVEY, reading=1, shortest_hours=6, digests=("d3",)))
    assert (total.linked, total.reading) == (400, 3)
    assert (total.companies, total.overriding_count, total.shortest_hours) == (500, 80, 6)
    assert total.products["a"] == ProductCount(360, 120, 20)
    assert total.digests == ("d1", "d2", "d3")


def test_the_most_frequent_schedule_of_a_company_counts_for_the_wait():
    client = replace(
        CLIENT, settings={**SETTINGS, "settings": [{"dataType": "a", "syncSchedule": 24}]}
    )
    assert make_plan(REQUEST, client, SURVEY, 5).wait_seconds == 24 * 3600
    frequent = replace(SURVEY, shortest_hours=6)
    assert make_plan(REQUEST, client, frequent, 5).wait_seconds == 6 * 3600


def test_a_shorter_wait_is_as_asked_for_and_the_plan_warns():
    daily = {**SETTINGS, "settings": [{"dataType": "a", "syncSchedule": 24}]}
    client = replace(CLIENT, settings=daily)
    plan = make_plan(replace(REQUEST, quiet_hours=2), client, SURVEY, 5)
    assert plan.wait_seconds == 2 * 3600
    assert "after 2 h already, not after the shortest schedule of 24 h" in plan.warnings[0]
    plan = make_plan(replace(REQUEST, quiet_hours=24), client, SURVEY, 5)
    assert not any("already" in warning for warning in plan.warnings)


@pytest.mark.parametrize(("companies", "pages"), [(0, 1), (100, 1), (101, 2)])
def test_a_page_lists_a_hundred_companies(companies, pages):
    plan = make_plan(REQUEST, CLIENT, replace(SURVEY, companies=companies), 5)
    others = sum(step.calls for step in plan.steps) + 2 * companies
    assert plan.calls - others == 3 * pages


def test_a_subset_plans_to_override_every_company_that_is_read():
    client = replace(CLIENT, everyone=False)
    activity_1 = make_plan(REQUEST, client, replace(SURVEY, reading=70), 5).steps[0]
    assert (activity_1.changes, activity_1.calls) == (70, 210)
    assert "70 companies by settings of their own" in activity_1.summary
    assert not any(row.startswith("client: ") for row in activity_1.rows)


def test_a_plan_shows_the_first_rows_and_counts_all():
    own = tuple(f"c{number}" for number in range(30))
    survey = replace(SURVEY, overriding=own[:20], overriding_count=30)
    more = survey.plus(replace(survey, overriding=own[20:]))
    assert (len(more.overriding), more.overriding_count) == (20, 60)
    activity_1 = make_plan(REQUEST, CLIENT, more, 5).steps[0]
    assert (len(activity_1.rows), activity_1.changes) == (20, 61)
    assert activity_1.rows[0] == "client: payments every 1 h -> off (0)"


def test_a_plan_is_the_same_after_it_was_kept_as_json():
    plan = make_plan(REQUEST, CLIENT, SURVEY, 5)
    kept = plan.as_json()
    assert kept["hash"] == plan.hash == plan_hash(REQUEST, CLIENT, SURVEY)
    assert [step["step"] for step in kept["steps"]] == [activity.value for activity in Activity]


class TestWhatIsShown:
    SURVEY = replace(SURVEY, reading=70, locked=("c1: bills",))
    CLIENT = replace(
        CLIENT,
        settings={
            **SETTINGS,
            "settings": [
                *SETTINGS["settings"],
                {"dataType": "bills", "syncSchedule": 24, "isLocked": True},
            ],
        },
        old=(OLD, Consumer("2", "https://two.example?code=1", ("read.completed",))),
        wanted=(WANTED, Wanted("successor-1", "https://old.example", ("company.created",))),
        standard=("lending",),
    )
    API = replace(REQUEST, mode=Mode.API, fetch_on_first_link=FirstLink.OFF)

    def test_each_activity_has_its_changes_calls_and_rows(self):
        plan = make_plan(REQUEST, self.CLIENT, self.SURVEY, 5)
        old = (
            "https://old.example: read.completed, company.created",
            "https://two.example?…: read.completed",
        )
        new = (
            "https://hub.example/a?migration=m-1: a.read.completed",
            "https://old.example: its other events",
        )
        own = ("client: payments every 1 h -> off (0)", "company c1: its own settings -> off")
        assert "the client's and the own ones of 40 companies" in plan.steps[0].summary
        assert [(step.changes, step.calls, step.rows) for step in plan.steps] == [
            (41, 123, own),
            (0, 200, ()),
            (2, 2, old),
            (2, 3, new),
            (180, 430, ("a: add to 180, already on 60, without consent 10",)),
        ]
        by_api = make_plan(self.API, self.CLIENT, self.SURVEY, 5).steps[2]
        assert (by_api.changes, by_api.calls, by_api.rows) == (2, 3, old)

    @pytest.mark.parametrize(
        ("request_", "words"),
        [
            (REQUEST, ["is kept", "wait 1 h", "disables", "create the new", "add each"]),
            (API, ["is switched off too", "wait 1 h", "delete the old", "create the", "add each"]),
        ],
    )
    def test_each_activity_says_what_it_does(self, request_, words):
        steps = make_plan(request_, self.CLIENT, self.SURVEY, 5).steps
        for step, word in zip(steps, words, strict=True):
            assert word in step.summary

    @pytest.mark.parametrize(
        ("request_", "words"),
        [
            (REQUEST, ["post the", "nothing to", "enables", "delete the consumers", "remove the"]),
            (API, ["post the", "nothing to", "create them again", "delete the", "remove the"]),
        ],
    )
    def test_each_activity_says_how_it_is_undone(self, request_, words):
        steps = make_plan(request_, self.CLIENT, self.SURVEY, 5).steps
        for step, word in zip(steps, words, strict=True):
            assert word in step.undo

    def test_locked_schedules_go_on_reading(self):
        locked = make_plan(REQUEST, self.CLIENT, self.SURVEY, 5).warnings[0]
        assert locked.endswith("they go on reading: the client: bills; c1: bills")
        subset = replace(self.CLIENT, everyone=False)
        locked = make_plan(REQUEST, subset, self.SURVEY, 5).warnings[0]
        assert locked.endswith("they go on reading: c1: bills")

    @pytest.mark.parametrize("request_", [REQUEST, API])
    def test_nothing_to_warn_of_is_no_warning(self, request_):
        client = replace(CLIENT, old=(replace(OLD, event_types=("read.completed",)),))
        survey = Survey(companies=1, linked=1, products={"a": ProductCount(adds=1, had=1)})
        only = [*(["lost"] if request_ is self.API else []), "fetchOnFirstLink"]
        warnings = make_plan(request_, client, survey, 5).warnings
        assert all(word in text for word, text in zip(only, warnings, strict=True))

    def test_one_company_is_no_companies(self):
        survey = replace(SURVEY, overriding_count=1, linked=249)
        texts = make_plan(REQUEST, CLIENT, survey, 5).warnings
        assert texts[0].startswith("1 company with sync")
        assert texts[1].startswith("1 company without a linked")
        both = replace(OLD, event_types=("read.completed", "a.b", "c.d"))
        (text,) = [
            text
            for text in make_plan(REQUEST, replace(CLIENT, old=(both,)), SURVEY, 5).warnings
            if "successor" in text
        ]
        assert "consumer 1 also gets 2 other event types: " in text

    def test_at_most_twenty_rows_of_consumers_and_names_are_shown(self):
        many = tuple(replace(OLD, consumer_id=str(number)) for number in range(21))
        client = replace(CLIENT, old=many, wanted=(WANTED,) * 21)
        steps = make_plan(REQUEST, client, SURVEY, 5).steps
        assert [len(step.rows) for step in steps[2:4]] == [20, 20]
        names = tuple(f"c{number}" for number in range(15))
        half = replace(SURVEY, unlinked=names, locked=names)
        both = half.plus(half)
        assert (len(both.unlinked), len(both.locked)) == (20, 20)


def test_refusals_are_those_of_the_client_first_and_fifty_consumers_fit():
    many = tuple(replace(OLD, consumer_id=str(n)) for n in range(50))
    client = replace(CLIENT, present=many[:49], refusals=("Refused: no.",))
    assert make_plan(REQUEST, client, SURVEY, 5).refusals == ("Refused: no.",)
    first, room = make_plan(REQUEST, replace(client, present=many), SURVEY, 5).refusals
    assert first == "Refused: no."
    assert "Delete 1 in the Portal" in room


@pytest.mark.parametrize(("companies", "most"), [(0, 10), (200, 210), (201, 212), (1000, 1050)])
def test_an_approval_covers_ten_companies_or_a_twentieth_more(companies, most):
    assert ceiling(companies) == most


def test_a_digest_names_its_company_and_an_old_one_does_not():
    digest = digest_of("c", SETTINGS, ["a"])
    assert by_company([digest]) == {"c": digest.rpartition(" ")[2]}
    assert len(digest) == len("c ") + 16
    assert by_company(["0123"]) == {"": "0123"}


def test_the_hash_of_a_plan_stays_as_it_is():
    """An approval that a run waits for is bound to it across a deployment."""
    assert plan_hash(REQUEST, CLIENT, SURVEY) == "51fc78a0843902807fab5e64b2c70eb8"
    assert (
        plan_hash(replace(REQUEST, quiet_hours=2), CLIENT, SURVEY)
        == "5fcb7f0399b4eaf946a54b8a368c4ca0"
    )
