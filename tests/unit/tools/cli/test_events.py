"""`hub events` resends to one rule, follows and cancels it, and owes full loads."""

import json

import httpx
import pytest

RESEND = ("events", "resend", "--rule", "lending", "--from", "2026-11-22T10:00+00:00")
SPAN = (*RESEND, "--to", "2026-11-22T12:00+00:00")
BODY = {
    "rule": "lending",
    "from": "2026-11-22T10:00:00+00:00",
    "to": "2026-11-22T12:00:00+00:00",
}
REACHED = {"status": "running", "reached": "2026-11-22T11:00:00+00:00"}


class TestResend:
    def test_it_says_how_many_at_most_before_it_asks_and_starts_nothing_without_a_yes(
        self, hub, api
    ):
        answer = hub(*SPAN, stdin="n\n")
        assert answer.exit_code == 1
        assert "The archive has 12 events in all." in answer.stderr
        assert api.sent("POST") == [("/resends", BODY)]  # the dry run
        assert api.resends == {}

    def test_it_is_watched_to_its_end(self, hub, api):
        api.steps = [{}, REACHED, {"status": "complete"}]
        answer = hub(*SPAN, "--yes")
        assert answer.exit_code == 0, answer.output
        lines = answer.stderr.splitlines()
        assert lines[0] == "starting: no event yet"
        assert lines[1].startswith("running: up to 2026-11-22")
        assert "complete" in answer.stdout
        assert api.sent("POST") == [("/resends", BODY)] * 2

    def test_it_is_not_watched_on_demand_and_says_how_to_follow_it(self, hub, api):
        answer = hub(*SPAN, "--yes", "--no-watch", "--json")
        assert json.loads(answer.stdout)["status"] == "starting"
        assert "tools/hub events show r1 --env local --watch" in answer.stderr
        api.steps = [{"status": "complete"}]
        assert json.loads(hub("events", "show", "r1", "--json").stdout)["status"] == "complete"

    def test_the_end_is_now_if_it_is_left_out(self, hub, api):
        hub(*RESEND, "--yes", "--no-watch")
        (_, body), _ = api.sent("POST")
        assert body["to"] > "2026"

    def test_a_failed_one_fails_the_command_with_the_reason(self, hub, api):
        api.steps = [{"status": "failed", "reason": "no archive"}]
        answer = hub(*SPAN, "--yes")
        assert (answer.exit_code, "no archive" in answer.stderr) == (1, True)

    def test_a_malformed_time_is_refused_before_any_call(self, hub, api):
        answer = hub("events", "resend", "--rule", "lending", "--from", "noon")
        assert (answer.exit_code, api.calls) == (2, [])

    @pytest.mark.parametrize(
        ("status", "line"), [("running", "is cancelled"), ("complete", "Nothing left to cancel")]
    )
    def test_it_is_cancelled_unless_it_is_over(self, hub, api, status, line):
        hub(*SPAN, "--yes", "--no-watch")
        api.resends["r1"]["status"] = status
        answer = hub("events", "cancel", "r1", "--yes")
        assert (answer.exit_code, line in answer.stdout) == (0, True)


class TestFullLoad:
    def test_of_one_company(self, hub, api):
        answer = hub("events", "full-load", "--product", "a", "--company", "c")
        assert answer.exit_code == 0, answer.output
        assert api.sent("POST") == [("/companies/c/products/a/full-load", {})]
        assert "it comes with the next read" in answer.stdout

    def test_with_refresh_codat_is_asked_after_the_full_load_is_owed(self, hub, api):
        hub("events", "full-load", "--product", "a", "--company", "c", "--refresh")
        assert [path for path, _ in api.sent("POST")] == [
            "/companies/c/products/a/full-load",
            "/companies/c/products/a/refresh",
        ]

    def test_of_every_company_asks_first(self, hub, api):
        words = ("events", "full-load", "--product", "a", "--all", "--refresh")
        assert hub(*words, stdin="n\n").exit_code == 1
        assert api.sent("POST") == []
        assert hub(*words, "--yes").exit_code == 0
        assert [path for path, _ in api.sent("POST")] == [
            "/products/a/full-load",
            "/products/a/refresh",
        ]

    @pytest.mark.parametrize("selection", [(), ("--all", "--company", "c")])
    def test_it_needs_exactly_one_selection(self, hub, api, selection):
        answer = hub("events", "full-load", "--product", "a", *selection)
        assert (answer.exit_code, api.calls) == (2, [])


def an_event(number):
    entry = {"data_type": "invoices", "connection_id": "a", "status": "Complete",
             "records_modified": True, "full_load": True, "modified_from": None}  # fmt: skip
    detail = {"event_key": f"k{number}", "company_id": f"c{number}", "product": "a",
              "outcome": "successful", "occurred_at": "2026-11-22T10:00:00.000000Z",
              "data_types": [entry, entry | {"status": "FetchError"}]}  # fmt: skip
    return {"source": "codat-hub", "detail": detail}


class TestTail:
    CLOSED = "/tails/1764504000-0a1b2c3d"

    def test_events_are_shown_as_they_come_until_ctrl_c_which_ends_the_tail(self, hub, api):
        api.tailed = [[an_event(1)], [], [an_event(2), an_event(3)]]
        answer = hub("events", "tail", "--product", "a")
        assert answer.exit_code == 0, answer.output
        lines = answer.stdout.splitlines()
        assert [line.split()[2] for line in lines[1:]] == ["c1", "c2", "c3"]
        assert lines[1].endswith("1 of 2 complete, 1 full")
        assert api.sent("POST")[0] == ("/tails", {"product": "a"})
        assert api.sent("DELETE") == [(self.CLOSED, None)]

    def test_after_ctrl_c_the_json_is_whole(self, hub, api):
        api.tailed = [[an_event(1)], [an_event(2)]]
        answer = hub("events", "tail", "--json")
        assert [detail["event_key"] for detail in json.loads(answer.stdout)] == ["k1", "k2"]

    def test_it_ends_after_its_hour(self, hub, api):
        api.tailed = [[], None]
        answer = hub("events", "tail")
        assert (answer.exit_code, "No event came." in answer.stderr) == (0, True)
        assert api.sent("DELETE") == [(self.CLOSED, None)]

    def test_a_failure_of_the_api_ends_the_tail_too(self, hub, api):
        api.tailed = [[an_event(1)]]
        denied = httpx.Response(403, json={"message": "no"})
        api.before = lambda _, path: denied if path.endswith("/events") else None
        assert hub("events", "tail").exit_code == 1
        assert api.sent("DELETE") == [(self.CLOSED, None)]
