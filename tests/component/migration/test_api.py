"""The routes of migrations with the real use cases; executions are walked between the calls."""

import json
import types

import pytest

from codat_hub.api.app import answer
from codat_hub.api.hub import Hub
from codat_hub.errors import Unavailable
from tests.support.migration.world import OPERATOR, OTHER, SECRET

CONTEXT = types.SimpleNamespace(aws_request_id="r")


@pytest.fixture
def call(world):
    nothing = dict.fromkeys(set(Hub.__dataclass_fields__) - {"migrations"})
    hub = Hub(migrations=world.migrations, **nothing)

    def send(method, path, body=None, by=OPERATOR, key=None, **query):
        headers = {"content-type": "application/json"}
        if key:
            headers["idempotency-key"] = key
        event = {
            "httpMethod": method,
            "path": path,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": query or None,
            "multiValueQueryStringParameters": {k: [v] for k, v in query.items()} or None,
            "body": None if body is None else json.dumps(body),
            "isBase64Encoded": False,
            "requestContext": {"identity": {"userArn": by}, "path": path, "httpMethod": method},
        }
        said = answer(hub, event, CONTEXT)
        return said["statusCode"], json.loads(said["body"])

    return send


def started(world, call, **body):
    status, said = call("POST", "/migrations", {"products": ["lending"], **body})
    assert status == 202
    world.migration_id = said["migration_id"]
    return f"/migrations/{world.migration_id}"


def test_a_run_from_start_to_report_over_the_api(world, call):
    steps = []

    def operator(waiting_for):
        status, shown = call("GET", path)
        assert (status, shown["status"], shown["waiting_for"]) == (200, "waiting", waiting_for)
        steps.append(waiting_for)
        ids = [line.split()[0] for line in shown["instructions"] if "http" in line]
        match waiting_for:
            case "approval":
                assert shown["plan"]["steps"]
                assert shown["warnings"] == shown["plan"]["warnings"]
                seen = {"plan": shown["plan"]["hash"]}
                assert call("POST", f"{path}/approve", {"plan": "another"}, by=OTHER)[0] == 409
                assert call("POST", f"{path}/approve", seen, by=OTHER)[0] == 200
            case "webhooks_disabled":
                for consumer_id in ids:
                    world.portal_call(f"/webhooks/{consumer_id}/disable", {})
                assert call("POST", f"{path}/confirm-webhooks-disabled")[0] == 200
            case "signing_secret":
                assert len(ids) == 1
                body = {"consumer_id": ids[0], "secret": SECRET}
                assert call("POST", f"{path}/confirm-secret", body)[0] == 200

    world.operator = operator
    path = started(world, call)
    assert call("GET", path)[1]["status"] == "planning"
    world.go()
    status, shown = call("GET", path)
    assert (status, shown["status"], shown["waiting_for"]) == (200, "complete", None)
    assert (shown["started_by"], shown["approved_by"]) == (OPERATOR, OTHER)
    assert shown["counts"]["add_products"] == {
        "chunks": 1, "of_chunks": 1, "done": 6, "skipped": 0, "failed": 0, "open": 0,
    }  # fmt: skip
    assert steps == ["approval", "webhooks_disabled", "signing_secret"]

    status, report = call("GET", f"{path}/report")
    assert status == 200
    assert report["replay_missed"]["from"] <= report["replay_missed"]["to"]
    assert [consumer["outcome"] for consumer in report["old_consumers"]] == ["off", "off"]
    assert SECRET not in json.dumps([shown, report])

    listed = call("GET", "/migrations")[1]["migrations"]
    assert [migration["migration_id"] for migration in listed] == [world.migration_id]

    world.operator = world.willing
    assert call("POST", f"{path}/rollback")[0] == 202
    world.go()
    shown = call("GET", path)[1]
    assert (shown["status"], shown["error"]) == ("rolled_back", f"asked for by {OPERATOR}")
    # The old consumers were off until the end of the rollback.
    after = call("GET", f"{path}/report")[1]
    missed = {"from": report["replay_missed"]["from"], "to": after["ended_at"]}
    assert after["replay_missed"] == missed


def test_the_token_is_never_shown(world, call):
    def operator(waiting_for):
        said = call("GET", f"/migrations/{world.migration_id}")[1]
        assert world.run.pause.token not in json.dumps(said)
        world.willing(waiting_for)

    world.operator = operator
    started(world, call, webhooks="api")
    assert world.go().status == "complete"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"products": []}, "products"),
        ({"products": ["nothing"]}, "products"),
        ({"products": ["lending"], "webhooks": "both"}, "webhooks"),
        ({"products": ["lending"], "companies": {}}, "companies"),
        ({"products": ["lending"], "companies": {"ids": ["a"], "tags": {"b": "c"}}}, "companies"),
        ({"products": ["lending"], "companies": {"ids": ["../x"]}}, "companies.ids[0]"),
        ({"products": ["lending"], "off_value": 24}, "off_value"),
        ({"products": ["lending"], "dryrun": True}, "dryrun"),
        ({"products": ["lending"], "tolerated_failures": -1}, "tolerated_failures"),
    ],
)
def test_a_bad_request_names_its_field_and_starts_nothing(world, call, body, field):
    status, problem = call("POST", "/migrations", body)
    assert status == 400
    assert field in [error["field"] for error in problem["errors"]]
    assert not world.executions.status


def test_a_second_one_is_a_conflict_and_a_dry_run_is_not(world, call):
    started(world, call)
    status, problem = call("POST", "/migrations", {"products": ["lending"]})
    assert (status, problem["type"]) == (409, "urn:codat-hub:problem:conflict")
    assert call("POST", "/migrations", {"products": ["lending"], "dry_run": True})[0] == 202


def test_the_same_key_and_body_are_the_same_migration(world, call):
    body = {"products": ["lending"]}
    first = call("POST", "/migrations", body, key="k")
    assert first[0] == 202
    assert call("POST", "/migrations", body, key="k") == first
    assert len(call("GET", "/migrations")[1]["migrations"]) == 1
    status, problem = call("POST", "/migrations", body | {"webhooks": "api"}, key="k")
    assert (status, problem["type"]) == (422, "urn:codat-hub:problem:idempotency-key-reused")


def test_a_start_that_step_functions_refuses_is_a_503_and_a_repeat_starts(world, call, monkeypatch):
    def refuse(name, state):
        raise Unavailable("throttled")

    body = {"products": ["lending"]}
    with monkeypatch.context() as patched:
        patched.setattr(world.executions, "start", refuse)
        status, problem = call("POST", "/migrations", body, key="k")
    assert (status, problem["type"]) == (503, "urn:codat-hub:problem:not-started")
    assert "Start it again" in problem["detail"]
    (shown,) = call("GET", "/migrations")[1]["migrations"]
    assert (shown["status"], shown["error"]) == ("failed", "throttled")
    assert call("POST", "/migrations", body, key="k")[0] == 202


@pytest.mark.parametrize("verb", ["", "/report"])
def test_an_unknown_migration_is_404(call, verb):
    assert call("GET", f"/migrations/m-20200101-000000-abcdef{verb}")[0] == 404


@pytest.mark.parametrize(
    "verb", ["approve", "confirm-webhooks-disabled", "confirm-webhooks-restored"]
)
def test_a_confirmation_that_the_run_does_not_wait_for_is_refused(world, call, verb):
    path = started(world, call)
    status, problem = call("POST", f"{path}/{verb}")
    assert status == 409
    assert "waits for no person" in problem["detail"]


def test_a_secret_is_not_quoted_when_it_is_refused(world, call):
    def operator(waiting_for):
        if waiting_for == "signing_secret":
            path = f"/migrations/{world.migration_id}/confirm-secret"
            consumer = call("GET", f"/migrations/{world.migration_id}")[1]["instructions"][1]
            body = {"consumer_id": consumer.split()[0], "secret": "whsec_tooshort"}
            status, problem = call("POST", path, body)
            assert status == 400
            assert "tooshort" not in json.dumps(problem)
        world.willing(waiting_for)

    world.operator = operator
    started(world, call, webhooks="api")
    assert world.go().status == "complete"


def test_products_of_companies_under_migration_are_held(world, call):
    started(world, call)
    company = world.companies[0]
    assert world.lock.holds(company, "lending")
    assert not world.lock.holds(company, "payables")
    world.go()
    assert not world.lock.holds(company, "lending")


@pytest.mark.parametrize(
    "body",
    [
        {"consumer_id": "c", "secret": SECRET + "x" * 3000},
        {"consumer_id": SECRET + "x" * 3000, "secret": "s"},
        {"consumer_id": "c", "secrets": SECRET},
        {"consumer_id": "c", "secret": [SECRET]},
    ],
)
def test_a_secret_in_a_body_that_is_refused_is_not_quoted(world, call, body):
    path = started(world, call)
    status, said = call("POST", f"{path}/confirm-secret", body)
    assert status == 400
    assert "whsec_" not in json.dumps(said)


def test_a_secret_that_came_as_the_consumers_id_is_not_quoted(world, call):
    started(world, call)
    path = f"/migrations/{world.migration_id}/confirm-secret"

    def operator(waiting_for):
        if waiting_for == "signing_secret":
            status, said = call("POST", path, {"consumer_id": SECRET, "secret": SECRET})
            assert status == 400
            assert "whsec_" not in json.dumps(said)
        world.willing(waiting_for)

    world.operator = operator
    assert world.go().status == "complete"
