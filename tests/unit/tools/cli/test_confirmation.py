"""Questions: `--yes` never counts in prod, and without an answer nothing is done."""

import io

import pytest

from tools.cli.environments import Name
from tools.cli.failures import Failure, Interrupted
from tools.cli.terminal.confirmation import Confirmation, Declined


@pytest.fixture
def typing(monkeypatch):
    def type_(text):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    type_("")
    return type_


@pytest.mark.parametrize("env", [name for name in Name if name is not Name.PROD])
def test_outside_prod_a_change_needs_no_answer_and_a_removal_one(env, typing):
    Confirmation(env).ask_in_prod("Add?")
    Confirmation(env, yes=True).ask("Remove?")
    for answer in ("y\n", "YES\n"):
        typing(answer)
        Confirmation(env).ask("Remove?")
    for answer in ("\n", "n\n", "prod\n"):
        typing(answer)
        with pytest.raises(Declined, match="Nothing was changed"):
            Confirmation(env).ask("Remove?")


@pytest.mark.parametrize("ask", [Confirmation.ask_in_prod, Confirmation.ask])
def test_in_prod_every_change_asks_for_the_name_and_yes_is_not_enough(ask, typing):
    typing("prod\n")
    ask(Confirmation(Name.PROD, yes=True), "Go?")
    ask(Confirmation(Name.PROD, yes_prod=True), "Go?")
    for answer in ("y\n", "yes\n", "PROD\n", "\n"):
        typing(answer)
        with pytest.raises(Declined):
            ask(Confirmation(Name.PROD, yes=True), "Go?")


def test_yes_prod_is_not_an_answer_elsewhere(typing):
    with pytest.raises(Failure):
        Confirmation(Name.DEV, yes_prod=True).ask("Remove?")


@pytest.mark.parametrize(("env", "option"), [(Name.DEV, "--yes"), (Name.PROD, "--yes-prod")])
def test_without_an_answer_the_failure_names_the_option(env, option, typing):
    with pytest.raises(Failure, match="No answer") as raised:
        Confirmation(env).ask("Remove?")
    assert raised.value.hint.endswith(f": {option}")


def test_ctrl_c_at_the_question_changes_nothing(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupt)
    with pytest.raises(Interrupted, match="Nothing was changed"):
        Confirmation(Name.DEV).ask("Remove?")
