"""`hub status`: the state of one environment."""

from typing import Any, Final

from tools.cli.environments import Name, control_api
from tools.cli.terminal.moments import readable
from tools.cli.terminal.options import EnvOption, JsonOption
from tools.cli.terminal.output import Column, Output, print_json

type Json = dict[str, Any]


def status(env: EnvOption, as_json: JsonOption = False) -> None:
    """Show an environment's Codat client, integrations, webhook consumers and last reconcile."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        found = api.get("status")
    if as_json:
        print_json(found)
        return
    output.facts(
        [
            ("environment", found["environment"]),
            ("Codat client", _client(found["client"], env)),
            ("products", ", ".join(map(_product, found["products"])) or "none yet"),
            ("calls to Codat", _calls(found, env)),
            ("last reconcile", _reconcile(found["last_reconcile"], env)),
        ]
    )
    as_of = f"as of {readable(found['as_of'])}" if found["as_of"] else "after the first reconcile"
    output.out.print(f"\nIntegrations, {as_of}")
    output.table(
        [found["integrations"]],
        [
            Column("integration", lambda integration: integration["integration"], whole=True),
            Column("name", lambda integration: integration["name"]),
            Column("connections", lambda integration: integration["connections"], right=True),
            Column("linked", lambda integration: integration["linked"], right=True),
        ],
        "None known yet.",
    )
    output.out.print(f"\nWebhook consumers, {as_of}")
    output.table(
        [found["consumers"]],
        [
            Column("consumer", lambda consumer: consumer["consumer"], whole=True),
            Column("at Codat", lambda consumer: "yes" if consumer["at_codat"] else "no"),
            Column("enabled", lambda consumer: "yes" if consumer["enabled"] else "no"),
            Column("secret", lambda consumer: "stored" if consumer["secret"] else "missing"),
        ],
        "None known yet.",
    )


def _client(client: Json, env: Name) -> str:
    if client["bound_to"] is None:
        return "not bound: the hub changes nothing at Codat until you set CodatClientId and deploy"
    if client["confirmed"]:
        return f"{client['bound_to']}, confirmed {readable(client['checked_at'])}"
    if client["reported"] is None:
        return f"{client['bound_to']}, not compared with Codat yet"
    return (
        f"WRONG: bound to {client['bound_to']}, but the API key is of {client['reported']}; "
        f"the hub changes nothing at Codat. Store the right key: "
        f"tools/hub secrets set-api-key --env {env}"
    )


_STOPPED: Final = {
    "unauthorized": "Codat refuses the API key; store a valid one:"
    " tools/hub secrets set-api-key --env {env}",
    "wrong_client": "the API key is of another Codat client; store the right one:"
    " tools/hub secrets set-api-key --env {env}",
    "forbidden": "Codat refuses several companies (402, 403); ask Codat about the plan",
    "rate_limited": "Codat allows no more calls now (429)",
    "edge": "something between the hub and Codat refuses the calls, such as a proxy or a firewall",
}


def _calls(found: Json, env: Name) -> str:
    blocked, stopped = found["calls_barred_until"], found.get("calls_stopped")
    quota = f"the daily quota is used up until {readable(blocked)}" if blocked else None
    if stopped is None:
        return quota or "allowed"
    cause = stopped["cause"]
    why = quota if quota and cause == "rate_limited" else _STOPPED.get(cause, cause).format(env=env)
    since, probe_at = readable(stopped["since"]), readable(stopped["next_probe_at"])
    return f"stopped since {since}, next try {probe_at}: {why}"


def _product(product: Json) -> str:
    schedule = product["schedule"]
    return f"{product['product']} ({product['kind']}{', ' + schedule if schedule else ''})"


def _reconcile(run: Json | None, env: Name) -> str:
    if run is None:
        return f"none yet; start one: tools/hub reconcile start --env {env}"
    when = readable(run["finished_at"] or run["requested_at"])
    person = f", {run['unsafe']} for a person" if run["unsafe"] else ""
    found = sum(run["drift"].values())
    return f"{run['status']} {when}: {found} differences, {run['mended']} repaired{person}"
