"""No function calls Codat without a place in the one budget."""

import ast

import pytest

from tools.template import ROOT

HANDLERS = ROOT / "functions" / "codat_hub" / "handlers"
CALLERS = {
    "control_api": "for_commands",
    "reconcile": "for_reconciles",
    "refresh_product": "for_commands",
    "run_migration_step": "for_migrations",
}
# `take_turn` counts the worker's refreshes; only its checks of the client are admitted here.
NOT_ADMITTED = {"refresh_product": 1}


def transports_of(handler):
    """Return each place where a handler makes a Transport, as a call or by `partial`."""
    tree = ast.parse((HANDLERS / f"{handler}.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        for call in calls
        if ast.unparse(call.func) in {"Transport", "_transport"}
    ]


def test_only_these_functions_call_codat():
    calling = {path.stem for path in HANDLERS.glob("*.py") if "Transport" in path.read_text()}
    assert calling == set(CALLERS)


@pytest.mark.parametrize("handler", CALLERS)
def test_each_transport_admits_its_calls(handler):
    transports = transports_of(handler)
    without = [made for made in transports if "admit" not in made]
    assert len(without) == NOT_ADMITTED.get(handler, 0)
    for made in transports:
        assert made.get("admit", f"admit_calls.{CALLERS[handler]}(").startswith(
            f"admit_calls.{CALLERS[handler]}("
        )
    assert len(transports) > len(without)
