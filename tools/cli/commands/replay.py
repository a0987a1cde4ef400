"""`hub replay`: project webhooks of the inbox again."""

from typing import Annotated, Any, Final

import typer

from tools.cli.api import ControlApi, segment
from tools.cli.environments import Name, control_api
from tools.cli.failures import Failure, Misused
from tools.cli.terminal.confirmation import Confirmation
from tools.cli.terminal.moments import readable, time_given
from tools.cli.terminal.options import EnvOption, JsonOption, StayOption, WatchOption, YesProdOption
from tools.cli.terminal.output import Output
from tools.cli.terminal.watching import watch

type Json = dict[str, Any]

app = typer.Typer(
    help="Project webhooks of the inbox again. No event is published twice.",
    no_args_is_help=True,
)

_OVER: Final = frozenset({"complete", "failed"})


@app.command()
def start(
    env: EnvOption,
    webhook: Annotated[
        list[str] | None, typer.Argument(metavar="WEBHOOK_ID", help="The ids of the webhooks.")
    ] = None,
    parked: Annotated[bool, typer.Option("--parked", help="All parked webhooks.")] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="Received since then: 2026-11-22T10:00, or an age: 6h."
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="TIME", help="With --from: received before then; now if left out."
        ),
    ] = None,
    company: Annotated[str | None, typer.Option(help="With --from: only of this company.")] = None,
    product: Annotated[str | None, typer.Option(help="With --from: only of this product.")] = None,
    stay: StayOption = True,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Replay webhooks: by id, all parked ones, or all that were received in a time range."""
    output = Output(as_json=as_json)
    body = _selection(webhook or [], parked, since, until, company, product)
    Confirmation(env, yes_prod=yes_prod).ask_in_prod(f"Replay {_selected(body)}?")
    with control_api(env) as api:
        replay = api.post("replays", body)
        if stay:
            replay = _watch(output, api, replay["replay_id"], env)
    _show(output, replay)
    if not stay:
        output.note(f"Follow it: {_again(replay['replay_id'], env)} --watch")


@app.command()
def show(
    replay_id: Annotated[
        str, typer.Argument(metavar="REPLAY", help="The id, as `replay start` printed it.")
    ],
    env: EnvOption,
    stay: WatchOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the progress of a replay."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        if stay:
            replay = _watch(output, api, replay_id, env)
        else:
            replay = api.get(f"replays/{segment(replay_id)}")
    _show(output, replay)


def _selection(
    webhooks: list[str],
    parked: bool,
    since: str | None,
    until: str | None,
    company: str | None,
    product: str | None,
) -> Json:
    """Return the body of the request. Raises Misused unless there is exactly one selection."""
    if (bool(webhooks), parked, since is not None).count(True) != 1:
        raise Misused(
            "Select webhooks in exactly one way: by their ids, with --parked, or with --from TIME."
        )
    if since is None and (until or company or product):
        raise Misused("--to, --company and --product go with --from.")
    if parked:
        return {"parked": True}
    if since is None:
        return {"webhook_ids": webhooks}
    body = {
        "received_from": time_given("--from", since),
        "received_to": time_given("--to", until or "0s"),
        "company_id": company,
        "product": product,
    }
    return {name: value for name, value in body.items() if value is not None}


def _selected(body: Json) -> str:
    if "webhook_ids" in body:
        return f"{len(body['webhook_ids'])} webhooks"
    if "parked" in body:
        return "all parked webhooks"
    filters = [body[name] for name in ("company_id", "product") if name in body]
    only = f" of {' and '.join(filters)}" if filters else ""
    return f"webhooks received from {body['received_from']} to {body['received_to']}{only}"


def _again(replay_id: str, env: Name) -> str:
    return f"tools/hub replay show {replay_id} --env {env}"


def _watch(output: Output, api: ControlApi, replay_id: str, env: Name) -> Json:
    return watch(
        output,
        lambda: api.get(f"replays/{segment(replay_id)}"),
        over=lambda replay: replay["status"] in _OVER,
        progress=lambda replay: f"{replay['status']}: {_counted(replay)}",
        again=f"{_again(replay_id, env)} --watch",
    )


def _counted(replay: Json) -> str:
    counts = replay.get("counts") or {}
    text = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    return text or ("none" if replay["status"] in _OVER else "no webhook yet")


def _show(output: Output, replay: Json) -> None:
    if output.as_json:
        output.result(replay)
    else:
        output.facts(
            [
                ("replay", replay["replay_id"]),
                ("status", replay["status"]),
                ("webhooks", _counted(replay)),
                ("requested", readable(replay.get("requested_at"))),
                ("by", replay.get("requested_by")),
            ]
        )
    if replay["status"] == "failed":
        raise Failure(
            f"The replay failed: {replay.get('error')}",
            "Events published so far stay published. Start the replay again: it repeats none.",
        )
