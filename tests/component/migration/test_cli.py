"""`hub migrations` against the real routes, use cases and definition, without a network."""

import json
import types

import httpx
import pytest
from typer.testing import CliRunner

from codat_hub.api.app import answer
from codat_hub.api.hub import Hub
from codat_hub.errors import Unavailable
from tests.support.migration.left_over import lift, refuse
from tests.support.migration.world import OPERATOR, SECRET
from tools.cli import api as client
from tools.cli import environments
from tools.cli.__main__ import app
from tools.cli.environments import Environment
from tools.cli.terminal import watching

CONTEXT = types.SimpleNamespace(aws_request_id="r")


@pytest.fixture
def world(request, worlds):
    return worlds(**getattr(request, "param", {}))


@pytest.fixture
def hub(world, monkeypatch):
    """Run `hub migrations …`. During a watch time passes and executions run."""
    nothing = dict.fromkeys(set(Hub.__dataclass_fields__) - {"migrations"})
    routes = Hub(migrations=world.migrations, **nothing)

    def serve(request):
        path = request.url.path.removeprefix("/local")
        query = dict(request.url.params)
        event = {
            "httpMethod": request.method,
            "path": path,
            "headers": dict(request.headers),
            "multiValueHeaders": {name: [value] for name, value in request.headers.items()},
            "queryStringParameters": query or None,
            "multiValueQueryStringParameters": {k: [v] for k, v in query.items()} or None,
            "body": request.content.decode() or None,
            "isBase64Encoded": False,
            "requestContext": {
                "identity": {"userArn": OPERATOR}, "path": path, "httpMethod": request.method,
            },
        }  # fmt: skip
        said = answer(routes, event, CONTEXT)
        headers = {name: value[0] for name, value in said["multiValueHeaders"].items()}
        started = said["statusCode"] == 202 and json.loads(said["body"]).get("migration_id")
        world.migration_id = started or getattr(world, "migration_id", None)
        return httpx.Response(said["statusCode"], headers=headers, text=said["body"])

    outputs = {"ControlApiUrl": "https://hub.example/local"}
    monkeypatch.setattr(environments, "find", lambda name: Environment(name, "eu-west-2", outputs))
    monkeypatch.setattr(environments, "TRANSPORT", httpx.MockTransport(serve))
    monkeypatch.setattr(watching, "pause", lambda _seconds: world.go())
    monkeypatch.setattr(client, "pause", lambda _seconds: None)

    def run(*words, stdin=""):
        arguments = ["migrations", *words]
        return CliRunner().invoke(app, arguments, input=stdin, env={"HUB_ENV": "local"})

    return run


PRODUCT = ("--product", "lending")


def test_a_start_that_step_functions_refuses_is_repeated(hub, world, monkeypatch):
    inner, refused = world.executions.start, []

    def start(name, state):
        if not refused:
            refused.append(name)
            raise Unavailable("throttled")
        inner(name, state)

    monkeypatch.setattr(world.executions, "start", start)
    shown = hub("start", *PRODUCT, "--no-watch")
    assert shown.exit_code == 0, shown.output
    assert [run.status for run in world.ledger.newest()].count("planning") == 1
    assert world.migration_id in shown.stdout


def test_a_plan_is_a_table_with_warnings_and_changes_nothing(hub, world):
    before = world.codat_now()
    shown = hub("plan", *PRODUCT)
    assert shown.exit_code == 0, shown.output
    for word in ("disable_client_sync", "client: payments every 1 h -> off (0)", "Codat calls"):
        assert word in shown.stdout
    assert "! lending is a standard product" in shown.stderr
    assert world.codat_now() == before
    shown = hub("plan", *PRODUCT, "--json").stdout
    # the functions' metrics are on the same output here
    assert json.loads(shown[shown.index("{\n") :])["companies"] == 6


def test_a_plan_that_would_be_refused_fails_with_what_to_do(hub, world):
    world.state.client_settings.settings = []
    shown = hub("plan", *PRODUCT)
    assert shown.exit_code == 1
    assert "Set one data type to None in the Portal" in shown.stderr


def test_a_run_from_start_to_rollback(hub, world):
    words = []

    def operator(waiting_for):
        if waiting_for == "approval":
            words.append(hub("approve", world.migration_id, "--yes"))
        elif waiting_for == "webhooks_disabled":
            world.portal(disabled=True)
            words.append(hub("confirm-webhooks-disabled", world.migration_id))
        elif waiting_for == "signing_secret":
            (line,) = [line for line in world.run.pause.instructions if "http" in line]
            command = ("confirm-secret", world.migration_id, line.split()[0])
            words.append(hub(*command, stdin=f"{SECRET}\n"))
        else:
            world.portal(disabled=False)
            words.append(hub("confirm-webhooks-restored", world.migration_id))

    world.operator = operator
    before = world.codat_now()
    shown = hub("start", *PRODUCT)
    assert shown.exit_code == 0, shown.output
    assert [one.exit_code for one in words] == [0, 0, 0], [one.output for one in words]
    assert "is complete" in shown.stdout
    assert SECRET not in shown.output + "".join(one.output for one in words)
    assert world.migration_id in hub("list").stdout
    report = hub("report", world.migration_id)
    assert "replay what was missed" in report.stderr
    assert "old consumer" in report.stdout
    back = hub("rollback", world.migration_id, "--yes")
    assert (back.exit_code, world.codat_now()) == (0, before), back.output


@pytest.mark.parametrize("typed", ["", "\n", "not-a-secret\n"])
def test_what_is_no_signing_secret_is_not_sent_and_says_where_it_is_found(hub, typed):
    shown = hub("confirm-secret", "m-nobody", "consumer", stdin=typed)
    assert (shown.exit_code, "Copy it from the endpoint" in shown.stderr) == (2, True)
    assert "not-a-secret" not in shown.output


def test_a_run_that_is_cancelled_before_it_has_changed_anything_is_no_failure(hub, world):
    hub("start", *PRODUCT, "--no-watch")
    world.executions.queue.clear()
    shown = hub("rollback", world.migration_id, "--yes")
    assert shown.exit_code == 0, shown.output
    assert "it had changed nothing" in shown.stdout


def test_a_run_that_fails_ends_the_watch_with_an_error(hub, world):
    world.operator = lambda what: None if what == "approval" else world.willing(what)
    shown = hub("start", *PRODUCT)
    assert shown.exit_code == 1
    assert "failed" in shown.stderr


@pytest.fixture
def looks_once(hub, world, monkeypatch):
    """Open a watch and close it again after its first look."""

    def stop(_seconds):
        raise KeyboardInterrupt

    def look():
        with monkeypatch.context() as closing:
            closing.setattr(watching, "pause", stop)
            answer = hub("watch", world.migration_id)
        assert answer.exit_code == 130
        return answer

    return look


def test_the_instructions_name_the_command(hub, world, looks_once):
    hub("start", *PRODUCT, "--no-watch")
    seen = []

    def operator(waiting_for):
        seen.append(looks_once())
        world.willing(waiting_for)

    world.operator = operator
    world.go()
    first = seen[0]
    assert f"tools/hub migrations approve {world.migration_id} --env local" in first.stderr
    assert "To come back: tools/hub migrations watch" in first.stderr


@pytest.mark.parametrize("world", [{"companies": 60}], indirect=True)
def test_a_watch_opened_in_mid_step_says_how_far_that_is(hub, world, looks_once):
    seen = []

    def around(call, payload):
        if (payload["step"], payload["direction"]) == ("add_products", "apply"):
            seen.append(looks_once().stderr.splitlines()[0])
        return call(payload)

    world.around = around
    hub("start", *PRODUCT)
    assert "(1 of 3 chunks); by the plan about" in seen[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tag", "region"), "is not NAME=VALUE"),
        (("--tag", "a=b", "--company", "x"), "not both"),
        (("--webhooks", "both"), "webhooks"),
    ],
)
def test_wrong_usage_is_refused_with_the_reason(hub, words, said):
    shown = hub("plan", *PRODUCT, *words)
    assert shown.exit_code in {1, 2}
    assert said in shown.stderr


def test_a_rollback_that_finds_changes_says_so_and_can_be_forced(hub, world):
    world.migrate()
    world.state.client_settings.settings[0].sync_schedule = 12
    shown = hub("rollback", world.migration_id, "--yes")
    assert shown.exit_code == 1
    assert "changed at Codat since" in shown.stderr
    assert hub("rollback", world.migration_id, "--yes", "--forced").exit_code == 0


class TestScreens:
    def test_a_confirmation_names_the_consumers_that_are_still_on(self, hub, world):
        shown = []

        def operator(waiting_for):
            if waiting_for == "webhooks_disabled":
                shown.append(hub("confirm-webhooks-disabled", world.migration_id))
            world.willing(waiting_for)

        world.operator = operator
        world.migrate(mode="portal")
        (refused,) = shown
        assert refused.exit_code == 1
        assert "still enabled at Codat" in refused.stderr
        assert "https://old.example/hook" in refused.stderr
        assert "Confirmed" not in refused.output

    def test_a_rollback_shows_what_it_will_undo_before_it_asks(self, hub, world):
        world.migrate()
        shown = hub("rollback", world.migration_id, stdin="n\n")
        assert world.run.status == "complete"
        before_question = shown.stderr.partition("Roll ")[0]
        for text in (
            "remove the products that it added",
            "delete the new consumer https://hub.example",
            "bring back the old consumer https://old.example/hook",
            "restore the client's sync settings",
        ):
            assert text in before_question

    def test_a_repeated_rollback_shows_what_is_left_and_afterwards_what_to_do(self, hub, world):
        companies = world.state.companies.values()
        company = next(it.id for it in companies if "invoice-finance" not in it.products)
        world.migrate()
        refuse(world, company, "/products/", "DELETE")
        first = hub("rollback", world.migration_id, "--yes")
        assert first.exit_code == 1
        assert f"tools/hub migrations rollback {world.migration_id} --env local" in first.stderr
        asked = hub("rollback", world.migration_id, stdin="n\n").stderr.partition("Roll ")[0]
        assert f"try again what is left: {company}: keeps" in asked
        assert "delete the new consumer" not in asked
        lift(world)
        last = hub("rollback", world.migration_id, "--yes")
        assert last.exit_code == 0
        for text in ("within two weeks", "Give the signing secret", "Custom headers and mTLS"):
            assert text in last.stderr

    def test_a_rollback_that_was_asked_for_ends_well_for_its_watchers_too(self, hub, world):
        world.migrate()
        back = hub("rollback", world.migration_id, "--yes")
        watched = hub("watch", world.migration_id)
        for shown in (back, watched):
            assert shown.exit_code == 0, shown.output
            assert f"✓ Migration {world.migration_id} is rolled back." in shown.stdout
            assert "✗" not in shown.output

    def test_a_rollback_after_a_failure_is_a_failure(self, hub, world):
        world.operator = lambda what: None if what == "signing_secret" else world.willing(what)
        world.migrate()
        shown = hub("watch", world.migration_id)
        assert (shown.exit_code, "✓" in shown.output) == (1, False)

    def test_a_plan_shows_warnings_first_and_event_names_once(self, hub, world):
        shown = hub("plan", *PRODUCT)
        assert shown.output.index("! ") < shown.output.index("disable_client_sync")
        assert shown.output.count("connection.deleted") == 1
        assert "1 companies" not in shown.output

    def test_a_complete_run_says_what_is_left_to_do(self, hub, world):
        world.migrate()
        shown = hub("watch", world.migration_id)
        assert shown.exit_code == 0
        assert "within two weeks" in shown.stderr
        assert "Give the signing secret of consumer" in shown.stderr
        assert "Custom headers and mTLS" in shown.stderr
