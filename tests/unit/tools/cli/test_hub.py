"""The whole command line: help, wrong usage, exit codes, and commands named in documents."""

import json
import re

import httpx
import pytest
import typer
from botocore.exceptions import NoCredentialsError
from typer.testing import CliRunner

from tests.support.control_api import refused
from tools.cli import environments
from tools.cli.__main__ import app
from tools.cli.environments import Environment, Name
from tools.samconfig import ROOT, deployment

COMMANDS = typer.main.get_command(app).commands
EVERY = [
    [name, *rest]
    for name, command in COMMANDS.items()
    for rest in ([[sub] for sub in command.commands] if hasattr(command, "commands") else [[]])
]
NAMED = re.compile(r"(?<!\w)tools/hub ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")
SOURCES = [ROOT / "products.yaml", ROOT / "template.yaml",
           *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tools").rglob("*.md"),
           *(ROOT / "tools").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]  # fmt: skip


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)])
def test_without_arguments_there_is_help_or_a_message_about_the_missing_option(words):
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 2
    assert "Usage: hub" in answer.output


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_has_help_and_needs_an_environment(words):
    help_ = CliRunner().invoke(app, [*words, "--help"])
    assert (help_.exit_code, "--env" in help_.output) == (0, True)
    options = [["--by", "o"], ["--reason", "r"]]
    needed = [word for option in options if option[0] in help_.output for word in option]
    arguments = ["a"] * help_.output.splitlines()[0].count("{")
    asked = CliRunner().invoke(app, [*words, *arguments, *needed])
    assert asked.exit_code == 2
    assert "'--env'" in asked.output
    assert "HUB_ENV" in asked.output


@pytest.mark.parametrize("columns", [20, 80])
@pytest.mark.parametrize(
    "words", [[], *([name] for name in COMMANDS if [name] not in EVERY), *EVERY], ids=" ".join
)
def test_help_is_whole_however_narrow_the_terminal_is(words, columns):
    shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": str(columns)}).output
    command = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    texts = [command.help, *(sub.help for sub in getattr(command, "commands", {}).values())]
    options = [name for option in command.params for name in option.opts if name.startswith("-")]
    for text in texts + options:
        assert "".join(text.split()) in "".join(shown.split())


@pytest.mark.parametrize("words", [["nope"], ["companies", "nope"], ["companies", "list", "--x"]])
def test_an_unknown_command_or_option_is_wrong_usage(words):
    answer = CliRunner().invoke(app, words)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "No such" in answer.stderr


def test_every_command_that_is_named_anywhere_is_there():
    named = {
        (path.name, *found)
        for path in SOURCES
        for found in NAMED.findall(path.read_text())
    }  # fmt: skip
    assert len(named) > 30
    for where, name, sub in named:
        assert name in COMMANDS, (where, name)
        if sub and hasattr(COMMANDS[name], "commands"):
            assert sub in COMMANDS[name].commands, (where, name, sub)


def test_a_failed_call_to_aws_is_one_sentence(monkeypatch):
    class Expired:
        def client(self, *_, **__):
            raise NoCredentialsError

    monkeypatch.setattr(environments, "_session", lambda _name: Expired())
    answer = CliRunner().invoke(app, ["status", "--env", "dev"])
    assert answer.exit_code == 1
    dev = deployment("dev")
    reason = f"Cannot read stack {dev.stack_name} in {dev.region}: Unable to locate"
    assert reason in answer.stderr
    assert "Traceback" not in answer.output


def test_without_credentials_it_says_how_to_get_some(monkeypatch):
    class NoCredentials:
        profile_name = "default"

        def get_credentials(self):
            return None

    found = Environment(Name.DEV, "eu-west-2", {"ControlApiUrl": "https://hub.example"})
    monkeypatch.setattr(environments, "find", lambda _name: found)
    monkeypatch.setattr(environments, "_session", lambda _name: NoCredentials())
    answer = CliRunner().invoke(app, ["status", "--env", "dev"])
    assert (answer.exit_code, "AWS_PROFILE" in answer.stderr) == (1, True)


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"api_url": "http://x"}'])
def test_a_description_of_another_version_says_to_write_it_again(monkeypatch, tmp_path, text):
    (tmp_path / "stack.json").write_text(text)
    monkeypatch.setattr(environments, "LOCAL", tmp_path / "stack.json")
    answer = CliRunner().invoke(app, ["status", "--env", "local"])
    assert (answer.exit_code, "make up" in answer.stderr) == (1, True)


def test_a_stack_from_before_the_control_api_says_to_deploy_it(monkeypatch):
    found = Environment(Name.DEV, "eu-west-2", {})
    monkeypatch.setattr(environments, "find", lambda _name: found)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    answer = CliRunner().invoke(app, ["status", "--env", "dev"])
    assert (answer.exit_code, "make deploy ENV=dev" in answer.stderr) == (1, True)


@pytest.mark.parametrize("name", ["", ".", ".."])
@pytest.mark.parametrize(
    "words",
    [
        ["companies", "show", "{}"],
        ["companies", "remove-product", "{}", "a", "--yes"],
        ["refresh", "company", "{}", "a"],
        ["consents", "revoke", "c1", "{}", "--reason", "x", "--yes"],
        ["products", "remove", "{}", "--yes"],
        ["replay", "show", "{}"],
    ],
)
def test_a_text_that_is_not_an_identifier_reaches_no_other_path(hub, api, words, name):
    answer = hub(*(word.format(name) for word in words))
    assert (answer.exit_code, api.calls) == (2, [])
    assert f"{name!r} is not an identifier" in answer.stderr


def test_ctrl_c_in_the_middle_of_a_call_is_130_and_names_the_next_step(hub, api):
    def interrupt(*_):
        raise KeyboardInterrupt

    api.before = interrupt
    answer = hub("products", "list", "--json")
    assert (answer.exit_code, answer.stdout) == (130, "")
    assert "Give the same command again" in answer.stderr


def test_an_unreachable_api_is_reported_with_its_address(hub, api):
    def unreachable(*_):
        raise httpx.ConnectError("Connection refused")

    api.before = unreachable
    answer = hub("companies", "list")
    assert answer.exit_code == 1
    assert "https://hub.example cannot be reached: Connection refused" in answer.stderr


def test_with_json_a_refusal_leaves_standard_output_to_the_json_reader(hub, api):
    api.before = lambda *_: refused(503, "A store did not answer.")
    answer = hub("products", "list", "--json")
    assert (answer.exit_code, answer.stdout) == (1, "")
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.stdout)
