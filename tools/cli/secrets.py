"""`hub secrets`: which signing secrets the webhooks API accepts, per webhook consumer."""

import hashlib
import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from codat_hub.domain.signing_secret import is_consumer, signing_key
from tools.cli.environments import Environment, Name, confirm, find
from tools.signing_secrets import SigningSecretsStore

app = typer.Typer(
    help="Signing secrets per webhook consumer. Values are never shown, only fingerprints.",
    no_args_is_help=True,
)

EnvOption = Annotated[Name, typer.Option("--env", help="Which environment to act on.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
ConsumerArgument = Annotated[
    str,
    typer.Argument(help="The consumer's name: the last part of the URL entered in the Portal."),
]


@app.command("list")
def list_(env: EnvOption = Name.LOCAL, as_json: JsonOption = False) -> None:
    """Show each consumer's accepted secrets, newest first, as fingerprints."""
    accepted = _store(find(env)).read()
    shown = {name: [fingerprint(s) for s in secrets] for name, secrets in accepted.items()}
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
    elif not shown:
        typer.echo(f"No consumer in {env} yet. Add one with: tools/hub secrets add CONSUMER")
    else:
        table = Table("consumer", "newest", "also accepted", box=None, padding=(0, 3, 0, 0))
        for name, prints in sorted(shown.items()):
            table.add_row(name, *(prints[:1] or ["none"]), ", ".join(prints[1:]) or "-")
        Console().print(table)


@app.command()
def add(consumer: ConsumerArgument, env: EnvOption = Name.LOCAL) -> None:
    """Accept a new secret beside the present ones. Reads it hidden, or from standard input."""
    if not is_consumer(consumer):
        raise typer.BadParameter(
            f"{consumer!r}: a consumer's name is 1 to 63 of a-z, 0-9 and -, not beginning with -"
        )
    store = _store(find(env))
    secret = check(_ask())
    present = store.read().get(consumer, [])
    if present[:1] == [secret]:
        typer.echo(f"{consumer} accepts {fingerprint(secret)} already; nothing changed.")
        return
    # one that is given again is the newest again, so that `retire` keeps it
    others = [each for each in present if each != secret]
    store.set({consumer: [secret, *others]})
    older = f" and {len(others)} older" if others else ""
    typer.echo(f"{consumer} now accepts {fingerprint(secret)}{older}.")
    typer.echo("Running functions know within a minute of the first delivery that needs it.")


@app.command()
def retire(consumer: ConsumerArgument, env: EnvOption = Name.LOCAL, yes: YesOption = False) -> None:
    """Stop accepting all but the newest secret of a consumer."""
    store = _store(find(env))
    accepted = store.read()
    if consumer not in accepted:
        typer.echo(f"{env} has no consumer {consumer!r}. It has: {_names(accepted)}", err=True)
        raise typer.Exit(1)
    newest, *older = accepted[consumer] or [""]
    if not older:
        typer.echo(f"{consumer} has no older secret; nothing changed.")
        return
    confirm(env, f"Deliveries to {consumer} signed with any but {fingerprint(newest)} "
                 f"will be refused within five minutes. Go on?", yes)  # fmt: skip
    store.set({consumer: [newest]})
    typer.echo(f"{consumer} accepts {fingerprint(newest)} only.")


@app.command()
def remove(
    consumer: ConsumerArgument,
    print_: Annotated[str, typer.Argument(metavar="FINGERPRINT", help="As `list` shows it.")],
    env: EnvOption = Name.LOCAL,
    yes: YesOption = False,
) -> None:
    """Stop accepting one secret of a consumer, such as one that was added by mistake."""
    store = _store(find(env))
    present = store.read().get(consumer, [])
    kept = [secret for secret in present if fingerprint(secret) != print_]
    if kept == present:
        known = ", ".join(map(fingerprint, present)) or "none"
        typer.echo(f"{consumer} accepts no secret {print_!r}. It accepts: {known}", err=True)
        raise typer.Exit(1)
    confirm(
        env,
        f"Deliveries to {consumer} signed with {print_} will be refused within five minutes; "
        f"{len(kept)} secrets remain. Go on?",
        yes,
    )
    store.set({consumer: kept})
    typer.echo(f"{consumer} accepts {print_} no more.")


def fingerprint(secret: str) -> str:
    """Return eight characters that tell secrets apart and reveal nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def check(secret: str) -> str:
    """Return the secret without surrounding space. Raises typer.BadParameter, never quoting it."""
    secret = secret.strip()
    try:
        signing_key(secret)
    except ValueError as why:
        raise typer.BadParameter(f"{why}. Copy it from the endpoint in the Codat Portal.") from None
    return secret


def _ask() -> str:
    if sys.stdin.isatty():
        typed: str = typer.prompt("Signing secret (hidden)", hide_input=True)
        return typed
    return sys.stdin.read()


def _names(accepted: dict[str, list[str]]) -> str:
    return ", ".join(sorted(accepted)) or "none"


def _store(environment: Environment) -> SigningSecretsStore:
    return SigningSecretsStore(
        environment.client("secretsmanager"), environment.outputs["SigningSecretsArn"]
    )
