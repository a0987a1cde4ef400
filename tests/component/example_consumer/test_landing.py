"""What Codat has is in the bucket: all of it, once, and whatever fails in between."""

import json

import pytest

from tests.support.landing_team import BUCKET, PRODUCT
from tools.example_consumer.consumer.codat import Refused, Wait
from tools.example_consumer.consumer.landing import HANDLED, OutOfTime
from tools.example_consumer.consumer.sources import SOURCES


def fault(codat, path, **how):
    codat.portal("/faults", path=path, **how)


def test_every_data_type_lands_from_its_own_path(team):
    team.landing().land(team.event(*SOURCES))
    assert team.current() == {data_type: team.truth(data_type) for data_type in SOURCES}
    (marker,) = (key for key in team.files() if key.startswith(HANDLED))
    handled = json.loads(team.s3.get_object(Bucket=BUCKET, Key=marker)["Body"].read())
    assert handled["not_served"] == []


def test_files_lie_below_product_company_and_data_type(team):
    team.landing(page_size=100).land(team.event("invoices"))
    connection = team.connections()["Accounting"]
    folder = f"product={PRODUCT}/company={team.company}/data_type=invoices"
    assert team.files()[1:] == [f"{folder}/event-0.{connection}.000001-last.jsonl"]


def test_a_window_reads_what_changed_and_the_current_view_stays_whole(team):
    team.landing().land(team.event("invoices", "payments"))
    since = max(record["modifiedDate"] for record in team.truth("invoices"))
    for _ in range(5):
        team.read()
    before = len(team.calls())
    team.landing().land(team.event("invoices", "payments", since=since))
    assert all(f"modifiedDate>={since}" == query["query"] for _, query in team.calls()[before:])
    current = team.current()
    assert {name: current[name] for name in ("invoices", "payments")} == {
        name: team.truth(name) for name in ("invoices", "payments")
    }


def test_a_slow_full_load_hides_nothing_newer(team):
    slow = team.event("invoices")
    assert not _lands(team, slow, pages=2)
    for _ in range(8):
        team.read()
    team.landing().land(team.event("invoices"))
    team.landing().land(slow)
    assert team.current()["invoices"] == team.truth("invoices")


def test_an_event_that_is_cut_short_after_each_page_reads_each_page_once(team):
    event = team.event("invoices", "payments", "balanceSheet")
    whole = team.landing()
    whole.land(event | {"replay-name": "whole"})
    calls, runs = len(team.calls()), 1
    while not _lands(team, event, pages=1):
        runs += 1
        assert runs < 50
    pages = team.calls()[calls:]
    assert runs == len(pages) == whole.landed == len(set(map(repr, pages)))


def test_an_event_is_landed_once_and_no_file_is_rewritten(team):
    event = team.event("invoices")
    team.landing().land(event)
    files, calls = team.files(), len(team.calls())
    team.read()
    team.landing().land(event)
    assert (team.files(), len(team.calls())) == (files, calls)
    # Another delivery at the same time has the same files.
    team.s3.delete_object(Bucket=BUCKET, Key=files[0])
    first = team.s3.get_object(Bucket=BUCKET, Key=files[1])["Body"].read()
    landing = team.landing()
    landing._keys = lambda prefix: []
    landing.land(event)
    assert team.s3.get_object(Bucket=BUCKET, Key=files[1])["Body"].read() == first


def test_a_replay_is_read_again(team):
    event = team.event("invoices")
    team.landing().land(event)
    files = len(team.files())
    team.landing().land(event | {"replay-name": "yesterday"})
    assert len(team.files()) == 2 * files


def test_a_data_type_that_codat_does_not_serve_costs_itself(codat, team):
    event = team.event("invoices", "payments")
    event["detail"]["data_types"].insert(
        0, event["detail"]["data_types"][0] | {"data_type": "unheardOf"}
    )
    team.landing().land(event)
    assert team.current() == {name: team.truth(name) for name in ("invoices", "payments")}
    marker = team.s3.get_object(Bucket=BUCKET, Key=f"{HANDLED}event-0.json")["Body"].read()
    assert json.loads(marker)["not_served"] == ["unheardOf"]


@pytest.mark.parametrize(
    ("status", "kind"), [(409, Wait), (500, Wait), (403, Refused), (402, Refused)]
)
def test_other_data_types_land_while_one_is_refused_or_syncing(codat, team, status, kind):
    event = team.event("invoices", "payments")
    fault(codat, "/data/invoices", status=status, body={"error": "no"}, times=1)
    with pytest.raises(kind):
        team.landing().land(event)
    assert list(team.current()) == ["payments"]
    team.landing().land(event)
    assert team.current() == {name: team.truth(name) for name in ("invoices", "payments")}


@pytest.mark.parametrize(
    "fault_of_the_day",
    [
        {"status": 429, "headers": {"Retry-After": "40000"}},
        {"status": 500},
        {"status": 503},
        {"status": 404, "body": "<html>"},
        {"status": 200, "body": "<html>"},
        {"reset": True},
    ],
    ids=repr,
)
def test_what_passes_makes_the_event_wait_and_loses_nothing(codat, team, fault_of_the_day):
    event = team.event("invoices", "payments")
    fault(codat, "/data/payments", times=1, **fault_of_the_day)
    with pytest.raises(Wait) as waits:
        team.landing().land(event)
    asked = fault_of_the_day.get("headers", {}).get("Retry-After")
    assert waits.value.seconds == (asked and float(asked))
    team.landing().land(event)
    assert team.current() == {name: team.truth(name) for name in ("invoices", "payments")}


def test_only_complete_entries_of_the_data_types_that_the_team_wants_are_read(team):
    event = team.event("invoices", "payments", "bills")
    event["detail"]["data_types"][0]["status"] = "FetchError"
    team.landing(data_types=frozenset({"invoices", "payments"})).land(event)
    assert list(team.current()) == ["payments"]


def test_a_deleted_record_stays_as_deleted(team):
    for _ in range(60):
        team.read()
        deleted = [one for one in team.truth("invoices") if one["metadata"]["isDeleted"]]
        if deleted:
            break
    team.landing().land(team.event("invoices"))
    assert [one for one in team.current()["invoices"] if one["metadata"]["isDeleted"]] == deleted
    assert deleted


def _lands(team, event, pages):
    """Land an event in a run that has time for some pages; return whether it has finished."""
    times = iter([True] * pages)
    try:
        team.landing(has_time=lambda: next(times, False)).land(event)
    except OutOfTime:
        return False
    return True
