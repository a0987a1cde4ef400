"""On moto, the group holds exactly the schedules of the registry."""

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.errors import Unavailable
from codat_hub.products.adapters.schedules import Planner, RefreshSchedules, schedule_name
from codat_hub.products.domain.product import Schedule
from codat_hub.products.domain.product_rules import IDENTIFIER
from tests.support.aws import REGION

PLANNER = Planner("arn:aws:lambda:x:1:function:p", "arn:aws:iam::1:role/s", "arn:aws:sqs:x:1:q")
DAILY = Schedule("cron(0 23 * * ? *)", "Europe/London")


@pytest.fixture
def client(aws):
    client = boto3.client("scheduler", region_name=REGION)
    client.create_schedule_group(Name="refreshes")
    return client


@pytest.fixture
def schedules(client):
    return RefreshSchedules(client, "refreshes", PLANNER)


def held(client):
    listed = client.list_schedules(GroupName="refreshes")["Schedules"]
    return {schedule["Name"]: schedule["State"] for schedule in listed}


def test_schedules_are_created_changed_and_removed_to_match(client, schedules):
    assert schedules.match({"a": DAILY, "b": DAILY}).changed == ("a", "b")
    paused = Schedule(DAILY.expression, DAILY.timezone, enabled=False)
    assert schedules.match({"a": DAILY, "b": paused}).changed == ("b",)
    assert held(client) == {"refresh-a": "ENABLED", "refresh-b": "DISABLED"}
    assert schedules.match({"b": paused}).changed == ("a",)
    assert held(client) == {"refresh-b": "DISABLED"}
    assert schedules.match({"b": paused}).changed == ()


def test_a_schedule_starts_the_planner_on_time_and_keeps_failed_starts(client, schedules):
    schedules.match({"a": DAILY})
    made = client.get_schedule(GroupName="refreshes", Name="refresh-a")
    assert made["ScheduleExpression"] == DAILY.expression
    assert made["ScheduleExpressionTimezone"] == "Europe/London"
    assert made["FlexibleTimeWindow"] == {"Mode": "OFF"}
    target = made["Target"]
    assert (target["Arn"], target["RoleArn"]) == (PLANNER.function_arn, PLANNER.role_arn)
    assert target["DeadLetterConfig"] == {"Arn": PLANNER.failures_arn}
    assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 3600


def test_a_schedule_that_a_person_changed_is_put_right(client, schedules):
    schedules.match({"a": DAILY})
    made = client.get_schedule(GroupName="refreshes", Name="refresh-a")
    client.update_schedule(
        GroupName="refreshes",
        Name="refresh-a",
        ScheduleExpression="rate(1 minute)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=made["Target"],
    )
    assert schedules.match({"a": DAILY}).changed == ("a",)
    made = client.get_schedule(GroupName="refreshes", Name="refresh-a")
    assert made["ScheduleExpression"] == DAILY.expression


def test_other_schedules_in_the_group_are_left_alone(client, schedules):
    client.create_schedule(
        GroupName="refreshes",
        Name="somebody-elses",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": PLANNER.function_arn, "RoleArn": PLANNER.role_arn},
    )
    schedules.match({})
    assert held(client) == {"somebody-elses": "ENABLED"}


def test_half_done_work_is_finished_by_repeating_it(client, schedules, monkeypatch):
    create, failed = client.create_schedule, []

    def fail_once(**request):
        if request["Name"] == "refresh-b" and not failed:
            failed.append(1)
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "CreateSchedule")
        return create(**request)

    monkeypatch.setattr(client, "create_schedule", fail_once)
    with pytest.raises(Unavailable):
        schedules.match({"a": DAILY, "b": DAILY})
    assert schedules.match({"a": DAILY, "b": DAILY}).changed == ("b",)
    assert set(held(client)) == {"refresh-a", "refresh-b"}


def refusing(client, monkeypatch, refused, code="ValidationException"):
    """Let the scheduler refuse a schedule of this name, as AWS does."""

    def wrapped(operation):
        do = getattr(client, operation)

        def act(**request):
            if request["Name"] == refused:
                said = {"Code": code, "Message": "Invalid Schedule Expression cron(0)."}
                raise ClientError({"Error": said}, operation)
            return do(**request)

        monkeypatch.setattr(client, operation, act)

    for operation in ("create_schedule", "update_schedule", "delete_schedule"):
        wrapped(operation)


@pytest.mark.parametrize("code", ["ValidationException", "ServiceQuotaExceededException"])
def test_a_refused_schedule_costs_itself_and_the_others_are_applied(
    client, schedules, monkeypatch, code
):
    schedules.match({"b": DAILY})
    refusing(client, monkeypatch, "refresh-b", code)
    paused = Schedule(DAILY.expression, DAILY.timezone, enabled=False)
    matched = schedules.match({"a": DAILY, "b": paused, "c": DAILY})
    assert matched.changed == ("a", "c")
    assert matched.refused == {"b": "Invalid Schedule Expression cron(0)."}
    assert held(client) == {f"refresh-{name}": "ENABLED" for name in "abc"}


def test_a_schedule_that_cannot_be_deleted_costs_itself(client, schedules, monkeypatch):
    schedules.match({"b": DAILY})
    refusing(client, monkeypatch, "refresh-b")
    assert set(schedules.match({"a": DAILY}).refused) == {"b"}
    assert set(held(client)) == {"refresh-a", "refresh-b"}


def test_a_failure_that_may_pass_comes_after_the_others_had_their_turn(
    client, schedules, monkeypatch
):
    refusing(client, monkeypatch, "refresh-a", "InternalServerException")
    with pytest.raises(Unavailable):
        schedules.match({"a": DAILY, "b": DAILY})
    assert set(held(client)) == {"refresh-b"}


@given(st.from_regex(IDENTIFIER, fullmatch=True), st.from_regex(IDENTIFIER, fullmatch=True))
def test_every_identifier_has_a_name_of_its_own_that_the_scheduler_takes(identifier, other):
    name = schedule_name(identifier)
    assert len(name) <= 64
    assert set(name) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_.")
    assert (schedule_name(other) == name) == (identifier == other)
