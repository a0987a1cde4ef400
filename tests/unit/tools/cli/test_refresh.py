"""`hub refresh` asks, follows a refresh to its end and cancels it; a bad end fails the command."""

import json

import pytest

from tools.cli.terminal import watching

ERROR = {"kind": "busy", "message": "A read is in progress.", "correlation_id": None}
COMPLETED = {"status": "completed", "next_attempt_at": None}


def test_a_refresh_is_asked_for_and_shown_with_how_to_follow_it(hub, api):
    answer = hub("refresh", "company", "c", "a", "--data-type", "bills", "--data-type", "items")
    assert answer.exit_code == 0, answer.output
    path = "/companies/c/products/a/refresh"
    assert api.sent("POST") == [(path, {"data_types": ["bills", "items"]})]
    assert "bills, items" in answer.stdout
    assert "tools/hub refresh show c a --env local --watch" in answer.stderr
    assert json.loads(hub("refresh", "show", "c", "a", "--json").stdout)["status"] == "queued"


def test_watching_ends_when_the_data_has_arrived_not_when_codat_has_accepted(hub, api):
    api.steps = [
        {"status": "sent"},
        {"status": "busy", "attempts": 1, "error": ERROR, "waits_for": "lease"},
        {"status": "accepted", "attempts": 2, "next_attempt_at": None, "waits_for": None},
        COMPLETED,
    ]
    answer = hub("refresh", "company", "c", "a", "--watch")
    assert answer.exit_code == 0
    lines = answer.stderr.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["sent", "busy", "accepted"]
    assert "1 call so far, waits for lease" in lines[1]
    assert "next" not in lines[0]  # a worker has it; the time of the next attempt would mislead
    assert "completed" in answer.stdout


@pytest.mark.parametrize("status", ["failed", "cancelled", "still_syncing", "rate_limited"])
def test_a_refresh_that_ends_badly_fails_the_command_and_says_why(hub, api, status):
    api.steps = [{"status": status, "next_attempt_at": None, "error": ERROR}]
    answer = hub("refresh", "company", "c", "a", "--watch")
    assert answer.exit_code == 1
    assert "busy: A read is in progress." in answer.stdout


def test_without_a_product_it_is_by_client_level_settings(hub, api):
    answer = hub("refresh", "company", "c", "--json")
    assert json.loads(answer.stdout)["product"] is None
    assert api.sent("POST") == [("/companies/c/refresh", {})]
    assert hub("refresh", "show", "c").exit_code == 0


def test_a_standard_product_is_refused_in_the_hubs_words(hub):
    answer = hub("refresh", "company", "c", "lending")
    assert (answer.exit_code, "does not serve its standard products" in answer.stderr) == (1, True)


def test_a_whole_product_asks_first(hub, api):
    assert hub("refresh", "product", "a", stdin="n\n").exit_code == 1
    assert api.calls == []
    answer = hub("refresh", "product", "a", "--yes")
    assert (answer.exit_code, api.sent("POST")[0][0]) == (0, "/products/a/refresh")
    assert "tools/hub freshness --product a --env local" in answer.stderr


def test_a_refresh_is_cancelled_after_asking(hub, api):
    hub("refresh", "company", "c", "a")
    assert hub("refresh", "cancel", "c", "a", stdin="n\n").exit_code == 1
    assert api.sent("DELETE") == []
    assert "is cancelled" in hub("refresh", "cancel", "c", "a", "--yes").stdout
    api.tickets["c", "a"] |= COMPLETED
    over = hub("refresh", "cancel", "c", "a", "--yes")
    assert (over.exit_code, "Nothing left to cancel: the refresh is completed" in over.stdout) == (
        0,
        True,
    )
    assert hub("refresh", "cancel", "c", "b", "--yes").exit_code == 1


def test_ctrl_c_leaves_the_refresh_to_the_hub(hub, api, monkeypatch):
    def interrupt(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "pause", interrupt)
    answer = hub("refresh", "company", "c", "a", "--watch")
    assert answer.exit_code == 130
    assert "tools/hub refresh show c a --env local --watch" in answer.stderr
    assert ("c", "a") in api.tickets
