"""Prints a migration's plan: warnings, then the changes of each step, then figures."""

from typing import Any

from tools.cli.terminal.moments import lasting
from tools.cli.terminal.output import Column, Output

type Json = dict[str, Any]


def draw_plan(output: Output, plan: Json) -> None:
    """Print the plan that a person approves: what to beware of comes first."""
    for refusal in plan["refusals"]:
        output.note(f"✗ {refusal}")
    for warning in plan["warnings"]:
        output.note(f"! {warning}")
    output.table(
        [plan["steps"]],
        [
            Column("step", lambda step: step["step"], whole=True),
            Column("what", lambda step: step["summary"]),
            Column("changes", lambda step: step["changes"], right=True),
            Column("calls", lambda step: step["calls"], right=True),
            Column("undo", lambda step: step["undo"]),
        ],
        "The plan has no steps.",
    )
    output.out.print()
    for step in plan["steps"]:
        for row in step["rows"]:
            output.result(None, f"  {step['step']}: {row}")
    output.facts(
        [
            ("companies", f"{plan['companies']}, {plan['linked']} of them linked"),
            (
                "client level",
                "off: no company stays on it"
                if plan["everyone"]
                else "on: other companies stay on it",
            ),
            (
                "Codat calls",
                f"{plan['calls']}, which take at least {lasting(plan['calls_seconds'])}",
            ),
            ("first wait for quiet", lasting(plan["wait_seconds"])),
            ("plan", plan["hash"]),
        ]
    )
