"""Asking first: `--yes` never counts in prod, and nobody to ask means nothing is done."""

import io

import pytest

from tools.cli.environments import Name
from tools.cli.failures import Failure, Interrupted
from tools.cli.terminal.confirmation import Declined, Leave


@pytest.fixture
def typing(monkeypatch):
    def type_(text):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    type_("")
    return type_


@pytest.mark.parametrize("env", [one for one in Name if one is not Name.PROD])
def test_outside_prod_a_change_needs_no_answer_and_a_removal_one(env, typing):
    Leave(env).to_change("Add?")
    Leave(env, yes=True).to_remove("Remove?")
    for answer in ("y\n", "YES\n"):
        typing(answer)
        Leave(env).to_remove("Remove?")
    for answer in ("\n", "n\n", "prod\n"):
        typing(answer)
        with pytest.raises(Declined, match="Nothing was changed"):
            Leave(env).to_remove("Remove?")


@pytest.mark.parametrize("ask", [Leave.to_change, Leave.to_remove])
def test_in_prod_every_change_asks_for_the_name_and_yes_is_not_enough(ask, typing):
    typing("prod\n")
    ask(Leave(Name.PROD, yes=True), "Go?")
    ask(Leave(Name.PROD, yes_prod=True), "Go?")
    for answer in ("y\n", "yes\n", "PROD\n", "\n"):
        typing(answer)
        with pytest.raises(Declined):
            ask(Leave(Name.PROD, yes=True), "Go?")


def test_yes_prod_is_no_yes_elsewhere(typing):
    with pytest.raises(Failure):
        Leave(Name.DEV, yes_prod=True).to_remove("Remove?")


@pytest.mark.parametrize(("env", "option"), [(Name.DEV, "--yes"), (Name.PROD, "--yes-prod")])
def test_without_anybody_to_ask_it_names_the_option(env, option, typing):
    with pytest.raises(Failure, match="nobody to ask") as raised:
        Leave(env).to_remove("Remove?")
    assert raised.value.hint.endswith(f": {option}")


def test_ctrl_c_at_the_question_changes_nothing(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupt)
    with pytest.raises(Interrupted, match="Nothing was changed"):
        Leave(Name.DEV).to_remove("Remove?")
