"""`hub status`: one environment at a glance."""

from typing import Any

from tools.cli.environments import control_api
from tools.cli.options import EnvOption, JsonOption
from tools.cli.output import Output, print_json

type Json = dict[str, Any]


def status(env: EnvOption, as_json: JsonOption = False) -> None:
    """Show the environment's Codat client, integrations, quota, and what needs a person."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        found = api.get("status")
    if as_json:
        print_json(found)
        return
    output.facts(list(found.items()))
