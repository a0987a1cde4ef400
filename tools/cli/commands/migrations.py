"""`hub migrations`: from client-level to product-level settings; plan, watch, approve, go back."""

import sys
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from tools.cli.api import ControlApi, segment
from tools.cli.commands.secrets import check
from tools.cli.environments import Name, control_api
from tools.cli.failures import Failure, Misused
from tools.cli.terminal.confirmation import Leave, hidden
from tools.cli.terminal.migration_plan import draw_plan
from tools.cli.terminal.migration_progress import Progress, counted
from tools.cli.terminal.moments import readable
from tools.cli.terminal.options import EnvOption, JsonOption, StayOption, YesOption, YesProdOption
from tools.cli.terminal.output import Column, Output, print_json, words
from tools.cli.terminal.watching import watch as watch_until

type Json = dict[str, Any]

app = typer.Typer(
    help="Move from client-level to product-level sync settings: planned, watched, reversible.",
    no_args_is_help=True,
)

MigrationArgument = Annotated[
    str, typer.Argument(metavar="MIGRATION", help="As `migrations list` has it.")
]
ProductsOption = Annotated[
    list[str], typer.Option("--product", help="To be added to every company; again for more.")
]
CompaniesOption = Annotated[
    list[str] | None,
    typer.Option("--company", help="Only this company; again for more. All if left out."),
]
TagsOption = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="NAME=VALUE", help="Only companies with this tag; all given."),
]
WebhooksOption = Annotated[
    str, typer.Option(help="portal: a person disables old consumers; api: they are deleted.")
]
FirstLinkOption = Annotated[str, typer.Option(help="fetchOnFirstLink: keep, or off as well.")]
OffValueOption = Annotated[
    int | None,
    typer.Option(help="What syncSchedule says for off, if the client's settings do not show it."),
]
StragglersOption = Annotated[
    str, typer.Option(help="Reads still running after 14 h: go_on, or ask.")
]
ToleratedOption = Annotated[
    int, typer.Option(min=0, help="Companies that may fail in one step before it is rolled back.")
]

_OVER: Final = frozenset({"planned", "complete", "rolled_back", "rollback_incomplete", "failed"})
_BAD: Final = frozenset({"rolled_back", "rollback_incomplete", "failed"})
_NEXT: Final = {
    "approval": "approve {id}",
    "webhooks_disabled": "confirm-webhooks-disabled {id}",
    "signing_secret": "confirm-secret {id} CONSUMER",
    "webhooks_restored": "confirm-webhooks-restored {id}",
}


@app.command()
def plan(
    env: EnvOption,
    product: ProductsOption,
    company: CompaniesOption = None,
    tag: TagsOption = None,
    webhooks: WebhooksOption = "portal",
    fetch_on_first_link: FirstLinkOption = "keep",
    off_value: OffValueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a migration would change, step by step. Changes nothing."""
    output = Output(as_json=as_json)
    body = _body(product, company, tag, webhooks, fetch_on_first_link, off_value)
    with control_api(env) as api:
        started = api.post("migrations", body | {"dry_run": True})
        found = _follow(output, api, started["migration_id"], env)
    if found["status"] == "failed":
        raise Failure(f"The plan could not be made: {found['error']}")
    if as_json:
        print_json(found["plan"])
    else:
        draw_plan(output, found["plan"])
    if found["plan"]["refusals"]:
        raise Failure("Such a migration would be refused.", " ".join(found["plan"]["refusals"]))


@app.command()
def start(
    env: EnvOption,
    product: ProductsOption,
    company: CompaniesOption = None,
    tag: TagsOption = None,
    webhooks: WebhooksOption = "portal",
    fetch_on_first_link: FirstLinkOption = "keep",
    off_value: OffValueOption = None,
    stragglers: StragglersOption = "go_on",
    tolerated_failures: ToleratedOption = 0,
    stay: StayOption = True,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Start a migration. It makes its plan first, and waits for its approval."""
    output = Output(as_json=as_json)
    body = _body(product, company, tag, webhooks, fetch_on_first_link, off_value)
    body |= {"stragglers": stragglers, "tolerated_failures": tolerated_failures}
    Leave(env, yes_prod=yes_prod).to_change(f"Start a migration to {', '.join(product)}?")
    with control_api(env) as api:
        started = api.post("migrations", body)
        if not stay:
            output.result(started, f"Migration {started['migration_id']} has started.")
            output.note(f"Watch it: {_again(started['migration_id'], env)}")
            return
        output.note(f"Migration {started['migration_id']} has started.")
        _show(output, _follow(output, api, started["migration_id"], env), env)


@app.command()
def watch(migration: MigrationArgument, env: EnvOption, as_json: JsonOption = False) -> None:
    """Stay with a migration: how far it is, and who must do what now. Ctrl-C leaves it running."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        _show(output, _follow(output, api, migration, env), env)


@app.command("list")
def list_(env: EnvOption, as_json: JsonOption = False) -> None:
    """Show migrations, the newest first."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        found = api.get("migrations")["migrations"]
    output.table(
        [found],
        [
            Column("migration", lambda one: one["migration_id"], whole=True),
            Column("status", lambda one: one["status"] + (", dry run" if one["dry_run"] else "")),
            Column("waits for", lambda one: one.get("waiting_for")),
            Column("products", lambda one: one["products"]),
            Column("started", lambda one: readable(one["started_at"])),
            Column("by", lambda one: one["started_by"]),
        ],
        f"No migration in {env} yet. Plan one: tools/hub migrations plan --product P --env {env}",
    )


@app.command()
def approve(
    migration: MigrationArgument,
    env: EnvOption,
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Show the plan and approve it as it is shown."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        found = _read(api, migration)
        if found.get("plan") and not as_json:
            draw_plan(output, found["plan"])
        Leave(env, yes=yes, yes_prod=yes_prod).to_remove(f"Approve this plan of {migration}?")
        seen = {"plan": found["plan"]["hash"]} if found.get("plan") else {}
        answer = api.post(f"migrations/{segment(migration)}/approve", seen)
    output.result(answer, f"Approved. Watch it: {_again(migration, env)}")


def _confirming(what: str) -> Callable[..., None]:
    """Return the command that says that a person has done what was asked."""

    def confirm(
        migration: MigrationArgument,
        env: EnvOption,
        as_json: JsonOption = False,
        yes_prod: YesProdOption = False,
    ) -> None:
        output = Output(as_json=as_json)
        Leave(env, yes_prod=yes_prod).to_change(f"Confirm for {migration}?")
        with control_api(env) as api:
            answer = api.post(f"migrations/{segment(migration)}/{what}")
        output.result(answer, f"Confirmed. Watch it: {_again(migration, env)}")

    return confirm


for _what, _how in (("disabled", "disabled"), ("restored", "enabled again")):
    app.command(
        f"confirm-webhooks-{_what}",
        help=f"Say that the old consumers are {_how} in the Portal; it is looked up.",
    )(_confirming(f"confirm-webhooks-{_what}"))


@app.command("confirm-secret")
def confirm_secret(
    migration: MigrationArgument,
    consumer: Annotated[str, typer.Argument(metavar="CONSUMER", help="The new consumer's id.")],
    env: EnvOption,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Give a new consumer's signing secret, typed hidden or from standard input."""
    output = Output(as_json=as_json)
    Leave(env, yes_prod=yes_prod).to_change(f"Accept a signing secret of {consumer}?")
    typed = hidden("Signing secret (hidden)") if sys.stdin.isatty() else sys.stdin.readline()
    body = {"consumer_id": consumer, "secret": check(typed)}
    with control_api(env) as api:
        answer = api.post(f"migrations/{segment(migration)}/confirm-secret", body)
    output.result(answer, f"Accepted. Watch it: {_again(migration, env)}")


@app.command()
def rollback(
    migration: MigrationArgument,
    env: EnvOption,
    forced: Annotated[
        bool, typer.Option("--forced", help="Also where others have changed Codat since.")
    ] = False,
    stay: StayOption = True,
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Go back, from wherever a migration is; also to finish a rollback that could not."""
    output = Output(as_json=as_json)
    Leave(env, yes=yes, yes_prod=yes_prod).to_remove(f"Roll {migration} back?")
    with control_api(env) as api:
        found = api.post(f"migrations/{segment(migration)}/rollback", {"forced": forced})
        if not stay:
            output.result(found, f"The rollback has started. Watch it: {_again(migration, env)}")
            return
        found = _follow(output, api, migration, env)
        _show(output, found, env, asked_back=True)


@app.command()
def report(migration: MigrationArgument, env: EnvOption, as_json: JsonOption = False) -> None:
    """Show what a migration changed, what it took back, and what the Portal has to replay."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        found = api.get(f"migrations/{segment(migration)}/report")
    if as_json:
        print_json(found)
        return
    gap = found["replay_missed"]
    output.facts(
        [
            ("migration", found["migration_id"]),
            ("status", found["status"]),
            ("started", f"{readable(found['started_at'])} by {found['started_by']}"),
            ("approved by", found["approved_by"]),
            ("ended", readable(found["ended_at"])),
            ("error", found["error"]),
            ("client settings", _fate(found["client_settings"])),
            *(("old consumer", f"{one['url']}: {_fate(one)}") for one in found["old_consumers"]),
            *(("new consumer", f"{one['url']}: {_fate(one)}") for one in found["new_consumers"]),
            *((f"{phase}", counted(one)) for phase, one in found["counts"].items()),
            *(("note", one) for one in found["notes"]),
        ]
    )
    if gap:
        output.note(
            f"Consumers missed events from {gap['from']} to {gap['to'] or 'now'}. In the Portal, "
            "on each that is enabled, replay what was missed since then (Codat keeps two weeks)."
        )


def _body(
    products: list[str],
    companies: list[str] | None,
    tags: list[str] | None,
    webhooks: str,
    first_link: str,
    off_value: int | None,
) -> Json:
    if companies and tags:
        raise Misused("Give --company or --tag, not both.")
    body: Json = {
        "products": products,
        "webhooks": webhooks,
        "fetch_on_first_link": first_link,
        "off_value": off_value,
    }
    if companies:
        body["companies"] = {"ids": companies}
    if tags:
        body["companies"] = {"tags": dict(_tag(one) for one in tags)}
    return body


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise Misused(f"--tag {text!r} is not NAME=VALUE, such as region=uk.")
    return name, value


def _read(api: ControlApi, migration: str) -> Json:
    return api.get(f"migrations/{segment(migration)}")


def _follow(
    output: Output,
    api: ControlApi,
    migration: str,
    env: Name,
) -> Json:
    """Watch to the end. Whoever is awaited is told once what to do and with which command."""
    told: list[str] = []
    going = Progress()

    def progress(found: Json) -> str:
        waiting = found.get("waiting_for")
        if waiting and found["waiting_since"] not in told:
            told.append(found["waiting_since"])
            for line in found["instructions"]:
                output.note(line)
            command = _NEXT[waiting].format(id=migration)
            output.note(f"    tools/hub migrations {command} --env {env}")
        return going.line(found)

    return watch_until(
        output,
        lambda: _read(api, migration),
        over=lambda found: found["status"] in _OVER,
        progress=progress,
        again=_again(migration, env),
    )


def _fate(one: Json) -> str:
    if not one["changed"]:
        return "not touched"
    came = one["outcome"] or "outcome never written"
    return f"{came}, then {one['undone']}" if one["undone"] else came


def _show(output: Output, found: Json, env: Name, *, asked_back: bool = False) -> None:
    migration, status = found["migration_id"], found["status"]
    cancelled = asked_back and status == "failed"
    said = "is over; it had changed nothing" if cancelled else f"is {words(status)}"
    output.result(found, f"Migration {migration} {said}.")
    for one in found["notes"]:
        output.note(f"! {one}")
    wrong = status in _BAD - ({"rolled_back", "failed"} if asked_back else set())
    if wrong or (asked_back and status == "complete"):
        hint = f"What it changed and took back: tools/hub migrations report {migration} --env {env}"
        raise Failure(f"{words(status)}: {found['error']}", hint)


def _again(migration: str, env: Name) -> str:
    return f"tools/hub migrations watch {migration} --env {env}"
