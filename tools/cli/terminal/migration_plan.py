"""A migration's plan as a person reads it: per step what changes, then figures, then warnings."""

from typing import Any

from tools.cli.terminal.moments import lasting
from tools.cli.terminal.output import Column, Output

type Json = dict[str, Any]


def draw_plan(output: Output, plan: Json) -> None:
    """Print it: to approve it is to have read this."""
    output.table(
        [plan["steps"]],
        [
            Column("step", lambda one: one["step"], whole=True),
            Column("what", lambda one: one["summary"]),
            Column("changes", lambda one: one["changes"], right=True),
            Column("calls", lambda one: one["calls"], right=True),
            Column("undo", lambda one: one["undo"]),
        ],
        "nothing to do",
    )
    output.out.print()
    for step in plan["steps"]:
        for row in step["rows"]:
            output.result(None, f"  {step['step']}: {row}")
    output.facts(
        [
            ("companies", f"{plan['companies']}, {plan['linked']} of them linked"),
            ("leaves behind", "nobody" if plan["everyone"] else "companies: client level stays on"),
            ("Codat calls", f"{plan['calls']}, at least {lasting(plan['calls_seconds'])}"),
            ("first wait", lasting(plan["wait_seconds"])),
            ("plan", plan["hash"]),
        ]
    )
    for one in plan["warnings"]:
        output.note(f"! {one}")
    for one in plan["refusals"]:
        output.note(f"✗ {one}")
