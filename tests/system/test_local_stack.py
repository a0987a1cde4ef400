"""`make up` and `make down` are idempotent and leave nothing half-started after a failure."""

import json

import pytest

from tests.support.system.hub import Silent
from tools.local.processes import StepFailed
from tools.local.stack import Description, LocalStack, Options


def test_a_second_up_changes_nothing(local_stack):
    before = json.loads(local_stack.description.read_text())
    pids = (local_stack.emulator.process.pid(), local_stack.sandbox.pid())
    assert local_stack.up() == before
    assert (local_stack.emulator.process.pid(), local_stack.sandbox.pid()) == pids


def test_the_description_has_the_keys_that_scripts_rely_on(local_stack):
    described = json.loads(local_stack.description.read_text())
    assert set(described) == set(Description.__annotations__)
    assert described["api_url"].startswith(described["endpoint_url"])
    assert described["webhook_url"].startswith(described["endpoint_url"])
    assert local_stack.description.stat().st_mode & 0o077 == 0


def test_a_secret_that_a_person_added_survives_an_up(local_stack, hub):
    manager, arn = hub.client("secretsmanager"), hub.described["signing_secrets_arn"]
    before = json.loads(manager.get_secret_value(SecretId=arn)["SecretString"])
    added = before | {"mine": [hub.secret]}
    manager.put_secret_value(SecretId=arn, SecretString=json.dumps(added))
    local_stack.up()
    assert json.loads(manager.get_secret_value(SecretId=arn)["SecretString"]) == added


def test_a_failed_step_stops_what_it_started_and_the_next_up_succeeds(tmp_path, monkeypatch):
    stack = LocalStack(tmp_path, Silent(), Options(companies=1))

    def fail(*_args, **_kwargs):
        raise StepFailed("sam deploy ended with exit code 1")

    monkeypatch.setattr(stack.emulator, "deploy", fail)
    with pytest.raises(StepFailed):
        stack.up()
    assert stack.down() == []
    assert not stack.description.exists()
    monkeypatch.undo()
    try:
        assert stack.up()
    finally:
        assert set(stack.down()) == {"sandbox", "emulator"}
    assert stack.down() == []


def test_a_killed_sandbox_is_started_again_and_every_function_gets_its_address(local_stack, hub):
    local_stack.sandbox.stop()
    before = json.loads(local_stack.description.read_text())
    after = local_stack.up()
    assert local_stack.sandbox.pid()
    assert after["webhook_url"] == before["webhook_url"]
    # the migration calls an alias, so its function must be published again too
    function = after["migration_logs"].rpartition("/")[2]
    aliased = hub.client("lambda").get_function_configuration(
        FunctionName=function, Qualifier="live"
    )
    assert aliased["Environment"]["Variables"]["CODAT_BASE_URL"] == after["sandbox_url"]
