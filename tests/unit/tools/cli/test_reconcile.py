"""`hub reconcile`, `freshness`, `replay`, `status`: progress, reports, work for a person."""

import json

import pytest

from tests.support.control_api import NOW, a_drift, a_freshness, a_run, a_status, whole
from tools.cli.terminal import watching

DRIFT = [
    a_drift("company_unknown", "info", company_id="c1", mended=True),
    a_drift("product_without_consent", "unsafe", company_id="c2", product="a"),
    a_drift("product_without_consent", "unsafe", company_id="c3", product="a"),
    a_drift("consumer_elsewhere", "warning", subject="https://other.example"),
]


@pytest.fixture
def interrupted(monkeypatch):
    def interrupt(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "pause", interrupt)


def test_a_run_is_watched_to_its_end_and_reported_with_what_to_do(hub, api):
    api.seed(3)
    api.drift = DRIFT
    answer = hub("reconcile", "start")
    assert answer.exit_code == 0, answer.output
    assert "running, companies: 2 of 3 companies" in answer.stderr
    rows = [line for line in answer.stdout.splitlines() if line.startswith("unsafe")]
    assert len(rows) == 2
    _, to_do = answer.stdout.split("What to do")
    assert to_do.count("do something about product_without_consent") == 1
    assert "consumer_elsewhere" in to_do
    assert "company_unknown" not in to_do


def test_the_report_is_one_json_document_whole_over_its_pages(hub, api):
    api.page_size = 1
    api.drift = DRIFT
    run = json.loads(hub("reconcile", "start", "--json").stdout)
    assert (run["status"], run["items"]) == ("complete", DRIFT)
    again = json.loads(hub("reconcile", "show", "--kind", "consumer_elsewhere", "--json").stdout)
    assert again["items"] == DRIFT[3:]


def test_a_run_that_has_not_compared_everything_does_not_say_that_all_agree(hub, api):
    hub("reconcile", "start", "--no-watch")
    assert "agree" not in hub("reconcile", "show").stderr
    api.runs[-1]["status"] = "failed"
    assert "agree" not in hub("reconcile", "show").stderr
    api.runs[-1]["status"] = "complete"
    assert "agree" not in hub("reconcile", "show", "--kind", "company_gone").stderr
    assert "agree" in hub("reconcile", "show").stderr


def test_a_person_confirms_the_companies_that_a_reconcile_found_gone(hub, api):
    answer = hub("reconcile", "start", "--confirm-gone", "run-7")
    assert answer.exit_code == 0, answer.output
    assert api.confirmed == "run-7"


def test_when_nothing_differs_it_says_so(hub, api):
    answer = hub("reconcile", "start")
    assert "Codat and local agree." in answer.stderr


def test_a_failed_run_fails_the_command_with_its_reason(hub, api):
    api.ending = "failed"
    answer = hub("reconcile", "start")
    assert (answer.exit_code, "failed: Codat refused it" in answer.stderr) == (1, True)


def test_a_run_that_cannot_go_on_for_now_says_why(hub, api):
    hub("reconcile", "start", "--no-watch")
    api.runs[-1]["error"] = "Codat refuses the API key"
    assert "Codat refuses the API key" in hub("reconcile", "show", "run-1").stdout
    api.runs[-1] |= {"counts": {"companies": 0}, "status": "running"}
    api.runs[-1]["error"] = "Codat refuses the API key"
    assert "Codat refuses the API key" in hub("reconcile", "show", "run-1", "--watch").stderr


def test_ctrl_c_leaves_the_run_to_the_hub_and_names_it(hub, api, interrupted):
    answer = hub("reconcile", "start")
    assert answer.exit_code == 130
    assert "the hub goes on by itself" in answer.stderr
    assert "tools/hub reconcile show run-1 --env local --watch" in answer.stderr
    assert api.runs[0]["status"] == "running"


def test_it_can_be_started_without_watching_and_looked_at_later(hub, api):
    started = hub("reconcile", "start", "--no-watch")
    assert (started.exit_code, "reconcile show run-1" in started.stderr) == (0, True)
    assert "run-1" in hub("reconcile", "show", "--watch").stdout
    assert "run-1" in hub("reconcile", "list").stdout


def test_before_the_first_run_it_says_how_to_start_one(hub):
    listed, shown = hub("reconcile", "list"), hub("reconcile", "show")
    assert (listed.exit_code, shown.exit_code) == (0, 1)
    for answer in (listed, shown):
        assert "tools/hub reconcile start --env local" in answer.stderr


FRESHNESS = [
    a_freshness("c1", "a"),
    a_freshness("c2", "a", overdue=True, overdue_seconds=7300, last_read_at=None),
    a_freshness("c3", "b", linked=False),
    a_freshness("c4", "b", consent=False),
    a_freshness("c5", "b", unsuccessful=["bills"]),
    a_freshness("c6", "b", cadence_seconds=None, due_at=None),
    a_freshness("c7", "b", status="removing"),
    a_freshness("c8", "b", last_read_at=None),
]


def test_freshness_shows_the_state_of_each_product_of_a_company(hub, api):
    api.freshness = FRESHNESS
    lines = hub("freshness").stdout.splitlines()[1:]
    states = ["fresh", "2 h overdue", "not linked", "no consent", "failed: bills", "no schedule",
              "removing", "not read yet"]  # fmt: skip
    for line, state in zip(lines, states, strict=True):
        assert line.rstrip().endswith(state)


@pytest.mark.parametrize(
    ("words", "companies"),
    [(["--overdue"], ["c2"]), (["--product", "a"], ["c1", "c2"]), (["--company", "c3"], ["c3"]),
     (["--product", "b", "--overdue"], [])],
)  # fmt: skip
def test_freshness_is_filtered_by_the_api(hub, api, words, companies):
    api.freshness = FRESHNESS
    api.products = {name: whole({"product": name, "kind": "standard"}) for name in ("a", "b")}
    api.companies["c3"] = api.companies[api.seed(1)[0]]
    found = json.loads(hub("freshness", *words, "--json").stdout)
    assert [row["company_id"] for row in found] == companies


def test_nothing_overdue_is_reported_differently_from_nothing_at_all(hub, api):
    assert "Nothing is overdue in local." in hub("freshness", "--overdue").stderr
    assert "tools/hub companies list --env local" in hub("freshness").stderr


@pytest.mark.parametrize("words", [["--product", "typo"], ["--company", "typo"]])
def test_freshness_of_an_unknown_product_or_company_is_not_good_news(hub, words):
    answer = hub("freshness", *words, "--overdue")
    assert (answer.exit_code, "typo" in answer.stderr, answer.stdout) == (1, True, "")
    assert "overdue" not in answer.stderr


def test_thousands_of_rows_of_freshness_are_streamed_whole(hub, api):
    api.freshness = [a_freshness(f"c{number}", "a") for number in range(3_000)]
    assert len(hub("freshness").stdout.splitlines()) == 3_001
    assert len(json.loads(hub("freshness", "--json").stdout)) == 3_000


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["w1", "w2"], {"webhook_ids": ["w1", "w2"]}),
        (["--parked"], {"parked": True}),
        (
            ["--from", "2026-07-01T10:00+00:00", "--to", "2026-07-01T12:00+00:00"],
            {"received_from": "2026-07-01T10:00:00+00:00",
             "received_to": "2026-07-01T12:00:00+00:00"},
        ),
        (
            ["--from", "2026-07-01T10:00Z", "--to", "2026-07-01T12:00Z", "--company", "c",
             "--product", "a"],
            {"received_from": "2026-07-01T10:00:00+00:00",
             "received_to": "2026-07-01T12:00:00+00:00", "company_id": "c", "product": "a"},
        ),
    ],
)  # fmt: skip
def test_a_replay_is_started_watched_and_counted(hub, api, words, body):
    answer = hub("replay", "start", *words)
    assert answer.exit_code == 0, answer.output
    assert api.sent("POST") == [("/replays", body)]
    assert "1 missing, 2 published" in answer.stdout
    assert "running: 2 published" in answer.stderr


def test_an_age_means_until_now(hub, api):
    hub("replay", "start", "--from", "6h", "--json")
    ((_, body),) = api.sent("POST")
    assert body["received_from"] < body["received_to"]


@pytest.mark.parametrize(
    "words",
    [[], ["w1", "--parked"], ["--parked", "--from", "6h"], ["w1", "--from", "6h"], ["--to", "1h"],
     ["--parked", "--company", "c"], ["--from", "soon"], ["--from", "6h", "--to", "99999999999d"]],
)  # fmt: skip
def test_a_replay_selects_its_webhooks_in_exactly_one_way(hub, api, words):
    answer = hub("replay", "start", *words)
    assert (answer.exit_code, api.calls) == (2, [])


def test_a_replay_that_fails_or_is_not_there(hub, api):
    api.ending = "failed"
    answer = hub("replay", "start", "--parked")
    assert (answer.exit_code, "The replay failed: KeyError" in answer.stderr) == (1, True)
    assert hub("replay", "show", "nobody").exit_code == 1


def test_a_replay_that_found_nothing_does_not_promise_more(hub, api):
    replay_id = json.loads(hub("replay", "start", "--parked", "--no-watch", "--json").stdout)[
        "replay_id"
    ]
    api.replays[replay_id] |= {"status": "complete", "counts": {}}
    assert "yet" not in hub("replay", "show", replay_id).stdout


def test_ctrl_c_leaves_the_replay_to_the_hub(hub, api, interrupted):
    answer = hub("replay", "start", "--parked")
    (replay,) = api.replays
    assert answer.exit_code == 130
    assert f"tools/hub replay show {replay} --env local --watch" in answer.stderr
    shown = hub("replay", "show", replay)
    assert (shown.exit_code, "replay" in shown.stdout) == (0, True)


def test_a_new_hub_says_what_is_missing_and_what_to_do(hub):
    answer = hub("status")
    assert answer.exit_code == 0
    for text in ("set CodatClientId", "none yet", "tools/hub reconcile start --env local"):
        assert text in answer.stdout


def test_status_shows_client_integrations_consumers_and_what_needs_a_person(hub, api):
    run = a_run("run-1", 3) | {"status": "complete", "finished_at": NOW, "unsafe": 2}
    run["drift"] = {"product_without_consent": 2, "company_unknown": 5}
    api.status = a_status(
        client={"bound_to": "me", "confirmed": True, "reported": "me", "checked_at": NOW},
        products=[{"product": "a", "kind": "custom", "schedule": "rate(1 hour)"}],
        consumers=[{"consumer": "lending", "at_codat": True, "enabled": False, "secret": False}],
        integrations=[{"integration": "gbol", "name": "Xero", "connections": 9, "linked": 7}],
        as_of=NOW,
        last_reconcile=run,
        calls_barred_until=NOW,
    )
    shown = hub("status").stdout
    for text in ("me, confirmed", "a (custom, rate(1 hour))", "used up until", "gbol", "Xero",
                 "missing", "7 differences, 0 repaired, 2 for a person"):  # fmt: skip
        assert text in shown
    assert json.loads(hub("status", "--json").stdout) == api.status


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        ("unauthorized", "tools/hub secrets set-api-key --env local"),
        ("forbidden", "ask Codat about the plan"),
        ("rate_limited", "Codat allows no more calls now (429)"),
        ("edge", "a proxy or a firewall"),
    ],
)
def test_status_says_why_since_when_and_until_when_calls_stop(hub, api, cause, text):
    api.status = a_status(calls_stopped={"cause": cause, "since": NOW, "next_probe_at": NOW})
    shown = " ".join(hub("status").stdout.split())
    assert "stopped since" in shown
    assert "next try" in shown
    assert text in shown
    assert "not used up" not in shown


def test_a_key_of_another_client_cannot_be_overlooked(hub, api):
    client = {"bound_to": "me", "confirmed": False, "reported": "other", "checked_at": NOW}
    api.status = a_status(client=client)
    shown = hub("status").stdout
    assert "WRONG: bound to me, but the API key is of other" in shown
    assert "tools/hub secrets set-api-key --env local" in shown
