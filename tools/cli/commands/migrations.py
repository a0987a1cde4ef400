"""`hub migrations`: plan, start, approve, watch and roll back a migration."""

import sys
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from tools.cli.api import ControlApi, segment
from tools.cli.commands.secrets import check
from tools.cli.environments import Name, control_api
from tools.cli.failures import Failure, Misused
from tools.cli.terminal.confirmation import Confirmation, hidden
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
    str, typer.Argument(metavar="MIGRATION", help="The id, as `migrations list` shows it.")
]
ProductsOption = Annotated[
    list[str],
    typer.Option(
        "--product", metavar="PRODUCT", help="A product to add to each company; repeat for more."
    ),
]
CompaniesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--company", metavar="COMPANY", help="Only this company; repeat for more. All if left out."
    ),
]
TagsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="NAME=VALUE",
        help="Only companies with this tag; with several, all of them.",
    ),
]
WebhooksOption = Annotated[
    str,
    typer.Option(help="portal: a person disables the old consumers; api: the hub deletes them."),
]
FirstLinkOption = Annotated[
    str, typer.Option(help="What happens to fetchOnFirstLink: keep or off.")
]
OffValueOption = Annotated[
    int | None,
    typer.Option(help="The syncSchedule that means off, if the client's settings do not show it."),
]
QuietWaitOption = Annotated[
    int | None,
    typer.Option(
        metavar="HOURS",
        min=1,
        help="Wait so long before the first look for quiet, not for the shortest schedule.",
    ),
]
StragglersOption = Annotated[str, typer.Option(help="If reads still run after 14 h: go_on or ask.")]
ToleratedOption = Annotated[
    int,
    typer.Option(min=0, help="How many companies may fail in a step before the run rolls back."),
]

_OVER: Final = frozenset({"planned", "complete", "rolled_back", "rollback_incomplete", "failed"})
_BAD: Final = frozenset({"rolled_back", "rollback_incomplete", "failed"})
_NEXT: Final = {
    "approval": "approve {id}",
    "webhooks_disabled": "confirm-webhooks-disabled {id}",
    "signing_secret": "confirm-secret {id} CONSUMER",
    "webhooks_restored": "confirm-webhooks-restored {id}",
    "products_kept": "approve {id}",
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
    quiet_wait: QuietWaitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a migration would change, step by step. Changes nothing."""
    output = Output(as_json=as_json)
    body = _body(product, company, tag, webhooks, fetch_on_first_link, off_value, quiet_wait)
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
        hint = " ".join(found["plan"]["refusals"]) if as_json else None  # else the plan shows them
        raise Failure("The hub would refuse this migration.", hint)


@app.command()
def start(
    env: EnvOption,
    product: ProductsOption,
    company: CompaniesOption = None,
    tag: TagsOption = None,
    webhooks: WebhooksOption = "portal",
    fetch_on_first_link: FirstLinkOption = "keep",
    off_value: OffValueOption = None,
    quiet_wait: QuietWaitOption = None,
    stragglers: StragglersOption = "go_on",
    tolerated_failures: ToleratedOption = 0,
    stay: StayOption = True,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Start a migration. It plans first, then waits for approval."""
    output = Output(as_json=as_json)
    body = _body(product, company, tag, webhooks, fetch_on_first_link, off_value, quiet_wait)
    body |= {"stragglers": stragglers, "tolerated_failures": tolerated_failures}
    Confirmation(env, yes_prod=yes_prod).ask_in_prod(f"Start a migration to {', '.join(product)}?")
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
    """Watch a migration: its progress, and what a person must do now. Ctrl-C leaves it running."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        _show(output, _follow(output, api, migration, env), env)


@app.command("list")
def list_(env: EnvOption, as_json: JsonOption = False) -> None:
    """List migrations, the newest first."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        found = api.get("migrations")["migrations"]
    output.table(
        [found],
        [
            Column("migration", lambda run: run["migration_id"], whole=True),
            Column("status", lambda run: run["status"] + (", dry run" if run["dry_run"] else "")),
            Column("waits for", lambda run: run.get("waiting_for")),
            Column("products", lambda run: run["products"]),
            Column("started", lambda run: readable(run["started_at"])),
            Column("by", lambda run: run["started_by"]),
        ],
        f"No migration in {env} yet. Plan one: "
        f"tools/hub migrations plan --product PRODUCT --env {env}",
    )


@app.command()
def approve(
    migration: MigrationArgument,
    env: EnvOption,
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Show the plan and approve exactly this plan."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        found = _read(api, migration)
        question = f"Approve this plan of {migration}?"
        if found.get("waiting_for") == "products_kept":
            question = f"Let the rollback of {migration} go on though companies keep products?"
            for line in found["instructions"]:
                output.note(line)
        elif found.get("plan") and not as_json:
            draw_plan(output, found["plan"])
        Confirmation(env, yes=yes, yes_prod=yes_prod).ask(question)
        seen = {"plan": found["plan"]["hash"]} if found.get("plan") else {}
        answer = api.post(f"migrations/{segment(migration)}/approve", seen)
    output.result(answer, f"Approved. Watch it: {_again(migration, env)}")


def _confirming(what: str) -> Callable[..., None]:
    """Return a command by which a person confirms a step in the Portal."""

    def confirm(
        migration: MigrationArgument,
        env: EnvOption,
        as_json: JsonOption = False,
        yes_prod: YesProdOption = False,
    ) -> None:
        output = Output(as_json=as_json)
        Confirmation(env, yes_prod=yes_prod).ask_in_prod(f"Confirm this step of {migration}?")
        with control_api(env) as api:
            answer = api.post(f"migrations/{segment(migration)}/{what}")
        output.result(answer, f"Confirmed. Watch it: {_again(migration, env)}")

    return confirm


for _what, _how in (("disabled", "disabled"), ("restored", "enabled again")):
    app.command(
        f"confirm-webhooks-{_what}",
        help=f"Confirm that the old consumers are {_how} in the Portal; the hub checks it.",
    )(_confirming(f"confirm-webhooks-{_what}"))


@app.command("confirm-secret")
def confirm_secret(
    migration: MigrationArgument,
    consumer: Annotated[str, typer.Argument(metavar="CONSUMER", help="The new consumer's id.")],
    env: EnvOption,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Give the signing secret of a new consumer, hidden or from standard input."""
    output = Output(as_json=as_json)
    Confirmation(env, yes_prod=yes_prod).ask_in_prod(f"Accept a signing secret for {consumer}?")
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
        bool, typer.Option("--forced", help="Also if others changed the settings at Codat since.")
    ] = False,
    stay: StayOption = True,
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Roll a migration back from any step, or finish an incomplete rollback."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        _show_undo(output, api, migration)
        Confirmation(env, yes=yes, yes_prod=yes_prod).ask(f"Roll {migration} back?")
        found = api.post(f"migrations/{segment(migration)}/rollback", {"forced": forced})
        if not stay:
            output.result(found, f"The rollback has started. Watch it: {_again(migration, env)}")
            return
        found = _follow(output, api, migration, env)
        _show(output, found, env, rolling_back=True)


@app.command()
def settle(
    migration: MigrationArgument,
    env: EnvOption,
    reason: Annotated[str, typer.Option(help="Why it stays as it is; reports show it.")],
    company: Annotated[
        str | None, typer.Argument(metavar="COMPANY", help="The company's id.")
    ] = None,
    product: Annotated[
        str | None,
        typer.Option(metavar="PRODUCT", help="The product that stays; else the settings."),
    ] = None,
    consumer: Annotated[
        str | None,
        typer.Option(metavar="CONSUMER", help="A webhook consumer, as `report` names it."),
    ] = None,
    client_settings: Annotated[
        bool, typer.Option("--client-settings", help="The client's sync settings.")
    ] = False,
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Leave one item as it is that a repeated rollback could not undo."""
    output = Output(as_json=as_json)
    if sum((company is not None, consumer is not None, client_settings)) != 1:
        raise Misused("Give one of COMPANY, --consumer and --client-settings.")
    if consumer or client_settings:
        what = f"consumer {consumer}" if consumer else "the client's sync settings"
        body: Json = {"consumer": consumer} if consumer else {"client_settings": True}
    else:
        what = f"{product} of {company}" if product else f"the settings of {company}"
        body = {"company_id": company, "product": product}
    Confirmation(env, yes=yes, yes_prod=yes_prod).ask(f"Leave {what} as it is, for good?")
    with control_api(env) as api:
        found = api.post(f"migrations/{segment(migration)}/settle", body | {"reason": reason})
    output.result(found, f"Settled. Migration {migration} is {words(found['status'])}.")
    _show_left(output, found, env)


@app.command()
def report(migration: MigrationArgument, env: EnvOption, as_json: JsonOption = False) -> None:
    """Show what a migration changed, what it undid, and what the Portal has to replay."""
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
            *(("old consumer", f"{old['url']}: {_fate(old)}") for old in found["old_consumers"]),
            *(("new consumer", f"{new['url']}: {_fate(new)}") for new in found["new_consumers"]),
            *((words(phase), counted(counts)) for phase, counts in found["counts"].items()),
            *(("note", note) for note in found["notes"]),
            *(("left", _item(item)) for item in found["left"]),
            *(("settled", f"{_item(item)}: {item['reason']}") for item in found["settled"]),
        ]
    )
    if gap:
        output.note(
            f"Consumers missed events from {gap['from']} to {gap['to'] or 'now'}. In the Portal, "
            "for each enabled consumer, replay what was missed since then (Codat keeps two weeks)."
        )


def _body(
    products: list[str],
    companies: list[str] | None,
    tags: list[str] | None,
    webhooks: str,
    first_link: str,
    off_value: int | None,
    quiet_wait: int | None,
) -> Json:
    if companies and tags:
        raise Misused("Give --company or --tag, not both.")
    body: Json = {
        "products": products,
        "webhooks": webhooks,
        "fetch_on_first_link": first_link,
        "off_value": off_value,
        "quiet_hours": quiet_wait,
    }
    if companies:
        body["companies"] = {"ids": companies}
    if tags:
        body["companies"] = {"tags": dict(map(_tag, tags))}
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
    """Watch to the end; at each stop for a person print once what to do and the next command."""
    shown: list[str] = []
    lines = Progress()

    def progress(found: Json) -> str:
        waiting = found.get("waiting_for")
        if waiting and found["waiting_since"] not in shown:
            shown.append(found["waiting_since"])
            for line in found["instructions"]:
                output.note(line)
            command = _NEXT[waiting].format(id=migration)
            output.note(f"    tools/hub migrations {command} --env {env}")
        return lines.line(found)

    return watch_until(
        output,
        lambda: _read(api, migration),
        over=lambda found: found["status"] in _OVER,
        progress=progress,
        again=_again(migration, env),
    )


def _show_undo(output: Output, api: ControlApi, migration: str) -> None:
    """Print what a rollback will undo, in its order."""
    report = api.get(f"migrations/{segment(migration)}/report")
    output.note(f"Migration {migration} is {words(report['status'])}. A rollback will:")
    if report["status"] == "rollback_incomplete":
        for item in report["left"]:
            output.note(f"  - try again what is left: {_item(item)}")
        return
    rows = []
    if report["counts"].get("add_products", {}).get("done"):
        rows.append("remove the products that it added")
    rows += [f"delete the new consumer {new['url']}" for new in _not_undone(report, "new")]
    rows += [f"bring back the old consumer {old['url']}" for old in _not_undone(report, "old")]
    client = report["client_settings"]
    if client["changed"] and not client["undone"]:
        rows.append("restore the client's sync settings")
    if report["counts"].get("disable_company_sync", {}).get("done"):
        rows.append("restore the companies' own sync settings")
    for row in rows or ["stop it: it has changed nothing yet"]:
        output.note(f"  - {row}")


def _not_undone(report: Json, which: str) -> list[Json]:
    consumers = report[f"{which}_consumers"]
    return [found for found in consumers if found["changed"] and not found["undone"]]


def _fate(change: Json) -> str:
    if not change["changed"]:
        return "not changed"
    outcome = change["outcome"] or "outcome unknown"
    return f"{outcome}, then {change['undone']}" if change["undone"] else outcome


def _show(output: Output, found: Json, env: Name, *, rolling_back: bool = False) -> None:
    migration, status = found["migration_id"], found["status"]
    asked_for = rolling_back or found.get("rollback_asked_for", False)
    cancelled = rolling_back and status == "failed"
    end = "is over; it had changed nothing" if cancelled else f"is {words(status)}"
    wrong = status in _BAD - ({"rolled_back", "failed"} if asked_for else set())
    wrong = wrong or (rolling_back and status == "complete")
    mark = "" if wrong else "✓ "
    output.result(found, f"{mark}Migration {migration} {end}.")
    for note in found["notes"]:
        output.note(f"! {note}")
    _show_left(output, found, env)
    if wrong:
        hint = f"See what it changed and undid: tools/hub migrations report {migration} --env {env}"
        raise Failure(f"{words(status)}: {found['error']}", hint)


def _show_left(output: Output, found: Json, env: Name) -> None:
    """Print what is left, what was settled, and what a person has to do now or still."""
    for item in found["left"]:
        output.note(f"! left: {_item(item)}")
    for item in found["settled"]:
        output.note(f"settled by {item['by']}: {_item(item)}: {item['reason']}")
    for need in found["needs"]:
        output.note(f"→ {need['what']}")
        output.note(f"    {need['command']} --env {env}")


def _item(item: Json) -> str:
    return f"{item.get('company_id') or 'client'}: {item['what']}: {item['error']}"


def _again(migration: str, env: Name) -> str:
    return f"tools/hub migrations watch {migration} --env {env}"
