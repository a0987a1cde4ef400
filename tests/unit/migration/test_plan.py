from dataclasses import replace

import pytest

from codat_hub.migration.domain.consumers import Consumer, Wanted
from codat_hub.migration.domain.plan import (
    Client,
    ProductCount,
    Survey,
    digest_of,
    make_plan,
    plan_hash,
)
from codat_hub.migration.domain.run import FirstLink, Mode, Request

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
REQUEST = Request(("a",))


def test_calls_and_time_are_the_arithmetic_of_the_steps():
    plan = make_plan(REQUEST, CLIENT, SURVEY, calls_a_second=5)
    calls = {one.step: one.calls for one in plan.steps}
    assert calls == {
        "disable_client_sync": 3 * 41,
        "wait_for_quiet": 200,
        "disable_old_webhooks": 2,
        "configure_new_webhooks": 2,
        "add_products": 250 + 180,
    }
    assert plan.calls == 3 * 3 + 2 * 250 + sum(calls.values())
    assert plan.calls_seconds == -(-plan.calls // 5)


@pytest.mark.parametrize(
    ("request_", "client", "survey", "said"),
    [
        (REQUEST, CLIENT, SURVEY, "40 companies have sync settings of their own"),
        (REQUEST, CLIENT, SURVEY, "50 companies have no linked connection"),
        (REQUEST, CLIENT, SURVEY, "a: 10 companies are skipped"),
        (REQUEST, CLIENT, NOBODY_HAS_IT, "a: no company has it at Codat yet"),
        (REQUEST, CLIENT, SURVEY, "consumer 1 also carries company.created"),
        (replace(REQUEST, mode=Mode.API), CLIENT, SURVEY, "custom headers, mTLS"),
        (REQUEST, replace(CLIENT, standard=("lending",)), SURVEY, "lending is a standard product"),
        (REQUEST, replace(CLIENT, everyone=False), SURVEY, "companies are left behind"),
        (replace(REQUEST, fetch_on_first_link=FirstLink.OFF), CLIENT, SURVEY, "Refresh all"),
    ],
)
def test_warnings(request_, client, survey, said):
    assert any(said in one for one in make_plan(request_, client, survey, 5).warnings)


@pytest.mark.parametrize("count", [ProductCount(adds=180, had=1), ProductCount(without_consent=9)])
def test_a_product_that_a_company_has_or_none_gets_needs_no_trial(count):
    plan = make_plan(REQUEST, CLIENT, replace(SURVEY, products={"a": count}), 5)
    assert not any("nothing shows" in one for one in plan.warnings)


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
    assert len({same, *(plan_hash(*one) for one in others)}) == 1 + len(others)


def test_a_companys_digest_changes_with_its_own_settings_and_targets_only():
    inherited = {**SETTINGS, "overridesDefaults": False}
    assert digest_of("c", inherited, ["a"]) == digest_of("c", {**inherited, "settings": []}, ["a"])
    assert digest_of("c", SETTINGS, ["a"]) != digest_of("c", inherited, ["a"])
    assert digest_of("c", SETTINGS, ["a", "b"]) == digest_of("c", SETTINGS, ["b", "a"])
    assert digest_of("c", SETTINGS, ["a"]) != digest_of("c", SETTINGS, [])


def test_surveys_add_up():
    total = SURVEY.plus(replace(SURVEY, shortest_hours=6, digests=("d3",)))
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
