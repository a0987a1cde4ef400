"""The classes of settings read the variables that the template gives, and report all problems."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from codat_hub import settings
from codat_hub.settings import SettingsError
from codat_hub.settings.receive_webhook import ReceiveWebhookSettings
from codat_hub.settings.run_migration_step import RunMigrationStepSettings
from tools.template import FUNCTIONS

PACKAGE = Path(settings.__file__).parents[1]
GOOD = {
    "INBOX_TABLE": "inbox",
    "SIGNING_SECRETS_ARN": "arn:secret",
    "INBOX_RETENTION_DAYS": "45",
    "SECRET_RELOAD_SECONDS": "60",
}


def test_texts_become_typed_values():
    assert ReceiveWebhookSettings.from_env(GOOD) == ReceiveWebhookSettings(
        "inbox", "arn:secret", inbox_retention_days=45, secret_reload_seconds=60
    )


def test_every_problem_is_named_at_once():
    with pytest.raises(SettingsError) as raised:
        ReceiveWebhookSettings.from_env({"INBOX_TABLE": "t", "SECRET_RELOAD_SECONDS": "soon"})
    assert str(raised.value) == (
        "SIGNING_SECRETS_ARN: expected a text, got None; "
        "INBOX_RETENTION_DAYS: expected a whole number of at least 1, got None; "
        "SECRET_RELOAD_SECONDS: expected a whole number of at least 1, got 'soon'"
    )


@pytest.mark.parametrize("raw", ["0", "-1", "1.5", "", " 1", "\u0661", "1e3"])
def test_a_count_is_a_whole_number_of_at_least_one(raw):
    with pytest.raises(SettingsError, match="INBOX_RETENTION_DAYS"):
        ReceiveWebhookSettings.from_env({**GOOD, "INBOX_RETENTION_DAYS": raw})


@pytest.mark.parametrize(("name", "raw"), [("WAIT_SCALE", "0"), ("WAIT_SCALE", "0.0006")])
def test_a_scale_may_be_zero(name, raw):
    with pytest.raises(SettingsError) as raised:
        RunMigrationStepSettings.from_env({name: raw})
    assert name not in str(raised.value)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.logical_id)
def test_the_template_gives_each_function_exactly_what_its_settings_read(function):
    source = PACKAGE / "handlers" / f"{function.module}.py"
    (name,) = set(re.findall(r"\b(\w+Settings)\.from_env\(", source.read_text()))
    own = importlib.import_module(f"codat_hub.settings.{function.module}")
    declared = list(getattr(own, name).__annotations__)
    assert [variable.lower() for variable in function.own_variables] == declared


def test_only_settings_reads_the_environment():
    for path in PACKAGE.rglob("*.py"):
        names = {node.attr for node in ast.walk(ast.parse(path.read_text()))
                 if isinstance(node, ast.Attribute)}  # fmt: skip
        assert "settings" in path.parts or not names & {"environ", "getenv"}, path
