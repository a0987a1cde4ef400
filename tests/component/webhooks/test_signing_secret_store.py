"""`hub secrets` and its store, on moto."""

import json

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from codat_hub.errors import Unavailable
from codat_hub.webhooks.signing_secret_store import MalformedSecret, SigningSecretStore
from tests.support.builders import OTHER_SECRET, SECRET
from tools.cli import environments
from tools.cli.__main__ import app
from tools.cli.commands import secrets
from tools.cli.environments import Environment, Name

NEW, ADDED = f"{SECRET[:-4]}AAAA", f"{SECRET[:-4]}BBBB"


@pytest.fixture
def arn(secretsmanager):
    return secretsmanager.create_secret(Name="signing")["ARN"]


@pytest.fixture
def store(secretsmanager, arn):
    return SigningSecretStore(secretsmanager, arn)


@pytest.fixture
def api_key_arn(secretsmanager):
    return secretsmanager.create_secret(Name="api-key", SecretString="none yet")["ARN"]


@pytest.fixture
def hub(arn, api_key_arn, monkeypatch):
    """Run `hub secrets …` against moto, in any environment."""
    outputs = {"SigningSecretsArn": arn, "CodatApiKeyArn": api_key_arn}
    monkeypatch.setattr(secrets, "find", lambda name: Environment(name, "eu-west-2", outputs))

    def run(*words, stdin=""):
        env = {"HUB_ENV": "local"}
        return CliRunner().invoke(app, ["secrets", *words], input=stdin, env=env)

    return run


def test_a_new_stack_accepts_nothing_and_says_what_to_do(hub, store):
    assert store.read() == {}
    answer = hub("list")
    assert (answer.exit_code, "hub secrets add" in answer.stderr) == (0, True)
    assert json.loads(hub("list", "--json").stdout) == {}


def test_a_new_secret_comes_before_the_present_one_and_both_count(hub, store):
    assert hub("add", "lending", stdin=SECRET).exit_code == 0
    assert hub("add", "lending", stdin=f" {OTHER_SECRET}\n").exit_code == 0
    assert store.read() == {"lending": [OTHER_SECRET, SECRET]}


def test_the_same_secret_twice_changes_nothing(hub, store):
    hub("add", "lending", stdin=SECRET)
    again = hub("add", "lending", stdin=SECRET)
    assert (again.exit_code, "nothing changed" in again.stdout) == (0, True)
    assert store.read() == {"lending": [SECRET]}


def test_a_secret_given_again_is_the_newest_again_so_retire_keeps_it(hub, store):
    for secret in (SECRET, OTHER_SECRET, SECRET):
        assert hub("add", "lending", stdin=secret).exit_code == 0
    assert store.read() == {"lending": [SECRET, OTHER_SECRET]}
    hub("retire", "lending", "--yes")
    assert store.read() == {"lending": [SECRET]}


@pytest.mark.parametrize(
    "value", ["hello", "[]", "[" * 60_000, '{"a": null}', f'{{"a": "{SECRET}"}}', '{"a": [7]}']
)
def test_a_malformed_value_is_explained_not_quoted_and_not_overwritten(
    store, secretsmanager, arn, value
):
    secretsmanager.put_secret_value(SecretId=arn, SecretString=value)
    with pytest.raises(MalformedSecret, match="put-secret-value") as raised:
        store.set({"lending": [OTHER_SECRET]})
    assert SECRET[6:] not in str(raised.value)
    found = secretsmanager.get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")
    assert found["SecretString"] == value


def test_a_change_that_others_keep_overtaking_is_reported(hub, store, monkeypatch):
    def refuse(*_):
        raise Unavailable("others keep changing the signing secrets")

    monkeypatch.setattr(SigningSecretStore, "change", refuse)
    answer = hub("add", "lending", stdin=SECRET)
    assert (answer.exit_code, "others keep changing" in answer.stderr) == (1, True)
    assert store.read() == {}


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["add", "lending"], {NEW, SECRET, OTHER_SECRET, ADDED}),
        (["retire", "lending", "--yes"], {SECRET, ADDED}),
        (["remove", "lending", secrets.fingerprint(SECRET), "--yes"], {OTHER_SECRET, ADDED}),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_a_secret_that_another_person_adds_meanwhile_stays(
    hub, store, secretsmanager, monkeypatch, words, left
):
    store.set({"lending": [SECRET, OTHER_SECRET]})
    inner, added = secretsmanager.put_secret_value, []

    def later(**given):
        if not added:
            added.append(ADDED)
            store.set({"lending": [ADDED, SECRET, OTHER_SECRET], "expenses": [ADDED]})
        return inner(**given)

    with monkeypatch.context() as patched:
        patched.setattr(secretsmanager, "put_secret_value", later)
        patched.setattr(Environment, "client", lambda *_: secretsmanager)
        assert hub(*words, stdin=NEW).exit_code == 0
    assert set(store.read()["lending"]) == left
    assert store.read()["expenses"] == [ADDED]


def test_another_consumers_secrets_are_left_alone(hub, store):
    store.set({"expenses": [OTHER_SECRET]})
    hub("add", "lending", stdin=SECRET)
    assert store.read() == {"expenses": [OTHER_SECRET], "lending": [SECRET]}


@pytest.mark.parametrize(
    "typed", ["", "whsec_", "whsec_%%%", SECRET[6:], "whsec_c2hvcnQ=", f"{SECRET} {SECRET}"]
)
def test_a_malformed_signing_secret_is_refused_and_not_quoted(hub, store, typed):
    answer = hub("add", "lending", stdin=typed)
    assert answer.exit_code == 2
    assert len(typed) < 8 or typed not in answer.output
    assert store.read() == {}


@pytest.mark.parametrize("consumer", ["Lending", "a b", "-x", "x" * 64, "a/b"])
def test_a_consumers_name_must_fit_into_its_url(hub, store, consumer):
    answer = hub("add", "--", consumer, stdin=SECRET)
    assert answer.exit_code == 2
    assert store.read() == {}


def test_secrets_are_shown_as_fingerprints_only(hub, store):
    store.set({"lending": [SECRET, OTHER_SECRET]})
    shown = hub("list").output + hub("list", "--json").output
    for secret in (SECRET, OTHER_SECRET):
        assert secrets.fingerprint(secret) in shown
        assert secret[6:] not in shown


def test_retire_keeps_the_newest_only_after_asking(hub, store):
    store.set({"lending": [SECRET, OTHER_SECRET]})
    assert hub("retire", "lending", stdin="n\n").exit_code == 1
    assert store.read() == {"lending": [SECRET, OTHER_SECRET]}
    assert hub("retire", "lending", stdin="y\n").exit_code == 0
    assert store.read() == {"lending": [SECRET]}
    assert "nothing changed" in hub("retire", "lending").stdout


def test_a_secret_added_by_mistake_can_be_removed_alone(hub, store):
    store.set({"lending": [OTHER_SECRET, SECRET]})
    assert hub("remove", "lending", secrets.fingerprint(OTHER_SECRET), "--yes").exit_code == 0
    assert store.read() == {"lending": [SECRET]}
    unknown = hub("remove", "lending", "00000000", "--yes")
    assert (unknown.exit_code, secrets.fingerprint(SECRET) in unknown.output) == (1, True)


def test_in_prod_the_environments_name_is_the_answer(hub, store):
    store.set({"lending": [SECRET, OTHER_SECRET]})
    assert hub("retire", "lending", "--env", "prod", stdin="y\n").exit_code == 1
    assert len(store.read()["lending"]) == 2
    assert hub("retire", "lending", "--env", "prod", stdin="prod\n").exit_code == 0
    assert len(store.read()["lending"]) == 1


def test_retiring_an_unknown_consumer_names_the_known_ones(hub, store):
    store.set({"expenses": [SECRET]})
    answer = hub("retire", "lending", "--yes")
    assert (answer.exit_code, "expenses" in answer.output) == (1, True)


def test_without_a_local_stack_the_answer_is_how_to_start_one(monkeypatch, tmp_path):
    monkeypatch.setattr(environments, "LOCAL", tmp_path / "stack.json")
    answer = CliRunner().invoke(app, ["secrets", "list", "--env", "local"])
    assert (answer.exit_code, "make up" in answer.output) == (1, True)


def test_a_stack_that_is_not_deployed_is_named(monkeypatch):
    class NoStack:
        def client(self, service, **_where):
            return self

        def describe_stacks(self, **_which):
            raise ClientError({"Error": {"Code": "ValidationError"}}, "DescribeStacks")

    monkeypatch.setattr(environments, "_session", lambda _name: NoStack())
    answer = CliRunner().invoke(app, ["secrets", "list", "--env", Name.DEV])
    assert answer.exit_code == 1
    assert "codat-hub-dev" in answer.output
    assert "make deploy ENV=dev" in answer.output


def test_a_secret_is_added_in_prod_with_its_own_option_only(hub, store):
    assert hub("add", "lending", "--env", "prod", stdin=SECRET).exit_code == 1
    assert store.read() == {}
    assert hub("add", "lending", "--env", "prod", "--yes-prod", stdin=SECRET).exit_code == 0
    assert store.read() == {"lending": [SECRET]}


def test_rotate_leads_through_both_halves_and_ends(hub, store):
    store.set({"lending": [SECRET]})
    first = hub("rotate", "lending", stdin=OTHER_SECRET)
    assert first.exit_code == 0
    assert "hub secrets rotate lending --env local" in first.stderr
    assert store.read() == {"lending": [OTHER_SECRET, SECRET]}
    assert hub("rotate", "lending", stdin="n\n").exit_code == 1
    assert store.read() == {"lending": [OTHER_SECRET, SECRET]}
    assert hub("rotate", "lending", stdin="y\n").exit_code == 0
    assert store.read() == {"lending": [OTHER_SECRET]}


def test_rotate_refuses_the_secret_that_is_accepted_already(hub, store):
    store.set({"lending": [SECRET]})
    answer = hub("rotate", "lending", stdin=SECRET)
    assert (answer.exit_code, "Rotate it in the Portal first" in answer.stderr) == (1, True)
    assert SECRET[6:] not in answer.output
    assert store.read() == {"lending": [SECRET]}


def test_an_unknown_consumer_is_not_rotated(hub, store):
    assert hub("rotate", "lending", stdin=SECRET).exit_code == 1
    assert store.read() == {}


def test_the_api_key_is_stored_and_never_shown(hub, secretsmanager, api_key_arn):
    key = "0123456789abcdefSECRETKEY"
    answer = hub("set-api-key", "--yes", stdin=f" {key}\n")
    assert answer.exit_code == 0
    assert key not in answer.output
    assert secrets.fingerprint(key) in answer.stdout
    assert "reconcile start" in answer.stderr  # `hub status` shows the key used last
    assert secretsmanager.get_secret_value(SecretId=api_key_arn)["SecretString"] == key


@pytest.mark.parametrize(
    "typed", ["", "short", "with a space in it", "Basic MDEyMzQ1Njc4OQ==", "ключключ"]
)
def test_a_malformed_api_key_is_refused_and_not_quoted(hub, secretsmanager, api_key_arn, typed):
    answer = hub("set-api-key", "--yes", stdin=typed)
    assert answer.exit_code == 2
    assert not typed or typed not in answer.output
    assert secretsmanager.get_secret_value(SecretId=api_key_arn)["SecretString"] == "none yet"


def test_the_api_key_of_another_environment_is_not_replaced_unasked(
    hub, secretsmanager, api_key_arn
):
    for words in (["--env", "dev"], ["--env", "prod", "--yes"]):
        assert hub("set-api-key", *words, stdin="0123456789abcdef").exit_code == 1
    assert secretsmanager.get_secret_value(SecretId=api_key_arn)["SecretString"] == "none yet"
