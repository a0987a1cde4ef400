"""`hub secrets`: the webhooks' signing secrets, per consumer, and the Codat API key."""

import re
import sys
from typing import Annotated, Final

import typer

from codat_hub.webhooks.fingerprint import fingerprint
from codat_hub.webhooks.signing_secret import is_consumer, signing_key
from codat_hub.webhooks.signing_secret_store import Accepted, SigningSecretStore
from tools.cli.environments import Environment, Name, find
from tools.cli.failures import Failure, Misused
from tools.cli.terminal.confirmation import Leave, hidden
from tools.cli.terminal.options import EnvOption, JsonOption, YesOption, YesProdOption
from tools.cli.terminal.output import Column, Output, print_json

app = typer.Typer(
    help="Webhook signing secrets and the Codat API key. Only fingerprints are ever shown.",
    no_args_is_help=True,
)

ConsumerArgument = Annotated[
    str,
    typer.Argument(help="The consumer's name: the last part of the URL entered in the Portal."),
]
# Printable and without spaces: the key goes into a header as Codat gave it.
_API_KEY: Final = re.compile(r"[!-~]{8,512}")


@app.command("list")
def list_(env: EnvOption, as_json: JsonOption = False) -> None:
    """Show each consumer's accepted secrets, newest first, as fingerprints."""
    output = Output(as_json=as_json)
    accepted = _store(find(env)).read()
    shown = {name: [fingerprint(s) for s in secrets] for name, secrets in sorted(accepted.items())}
    if as_json:
        print_json(shown)
        return
    output.table(
        [[{"name": name, "prints": prints} for name, prints in shown.items()]],
        [
            Column("consumer", lambda one: one["name"], whole=True),
            Column("newest", lambda one: (one["prints"] or ["none"])[0], whole=True),
            Column("also accepted", lambda one: one["prints"][1:]),
        ],
        f"No consumer in {env} yet. Add one: tools/hub secrets add CONSUMER --env {env}",
    )


@app.command()
def add(consumer: ConsumerArgument, env: EnvOption, yes_prod: YesProdOption = False) -> None:
    """Accept a new secret beside the present ones. Reads it hidden, or from standard input."""
    _check_name(consumer)
    store = _store(find(env))
    secret = check(_ask("Signing secret (hidden)"))
    Leave(env, yes_prod=yes_prod).to_change(f"Accept {fingerprint(secret)} for {consumer}?")
    _add(Output(as_json=False), store, consumer, secret)


@app.command()
def retire(
    consumer: ConsumerArgument,
    env: EnvOption,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Stop accepting all but the newest secret of a consumer."""
    output = Output(as_json=False)
    store = _store(find(env))
    newest, *older = _of(store.read(), consumer, env) or [""]
    if not older:
        output.result(None, f"{consumer} has no older secret; nothing changed.")
        return
    Leave(env, yes, yes_prod).to_remove(
        f"Deliveries to {consumer} signed with any but {fingerprint(newest)} "
        "will be refused within five minutes. Go on?"
    )
    kept = _without(store, consumer, older)
    output.result(None, f"{consumer} accepts {_prints(kept)} only.")


@app.command()
def remove(
    consumer: ConsumerArgument,
    print_: Annotated[str, typer.Argument(metavar="FINGERPRINT", help="As `list` shows it.")],
    env: EnvOption,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Stop accepting one secret of a consumer, such as one that was added by mistake."""
    output = Output(as_json=False)
    store = _store(find(env))
    present = store.read().get(consumer, [])
    unwanted = [secret for secret in present if fingerprint(secret) == print_]
    if not unwanted:
        known = ", ".join(map(fingerprint, present)) or "none"
        raise Failure(f"{consumer} accepts no secret {print_!r}. It accepts: {known}")
    Leave(env, yes, yes_prod).to_remove(
        f"Deliveries to {consumer} signed with {print_} will be refused within five minutes; "
        f"{len(present) - len(unwanted)} secrets remain. Go on?"
    )
    _without(store, consumer, unwanted)
    output.result(None, f"{consumer} accepts {print_} no more.")


@app.command()
def rotate(
    consumer: ConsumerArgument,
    env: EnvOption,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Lead through a rotation: once to add Codat's new secret, once, a day later, to end the old.

    It finds out by itself which of the two is next. Stop whenever you like and come back.
    """
    output = Output(as_json=False)
    store = _store(find(env))
    accepted = _of(store.read(), consumer, env)
    if len(accepted) > 1:
        output.note(f"{consumer} accepts {_prints(accepted)}: the rotation has begun.")
        output.note("Codat signs with the old and the new secret for 24 hours after a rotation.")
        retire(consumer, env, yes, yes_prod)
        output.note("The rotation is over.")
        return
    output.note(f"{consumer} accepts {_prints(accepted) or 'no secret yet'}.")
    output.note("1. Rotate the endpoint's secret in the Codat Portal (webhooks settings).")
    output.note("   The old one still verifies for 24 hours; nothing is lost meanwhile.")
    output.note("2. Copy the new one from the endpoint and give it here.")
    secret = check(_ask("New signing secret (hidden)"))
    if secret in accepted:
        raise Failure(
            f"That is the secret {consumer} accepts already, {fingerprint(secret)}.",
            "Rotate it in the Portal first, then copy the new one.",
        )
    Leave(env, yes_prod=yes_prod).to_change(f"Accept {fingerprint(secret)} for {consumer}?")
    _add(output, store, consumer, secret)
    output.note(f"3. A day from now: tools/hub secrets rotate {consumer} --env {env}")


@app.command("set-api-key")
def set_api_key(env: EnvOption, yes: YesOption = False, yes_prod: YesProdOption = False) -> None:
    """Store the Codat API key. Reads it hidden, or from standard input; it is never shown."""
    output = Output(as_json=False)
    environment = find(env)
    arn = environment.output("CodatApiKeyArn")
    key = _ask("Codat API key (hidden)").strip()
    if key.lower().startswith("basic "):
        raise Misused(
            "That is the Authorization header, not the API key.",
            "Copy the key itself from the Codat Portal (Developers > API keys).",
        )
    if not _API_KEY.fullmatch(key):
        raise Misused(
            f"That is no API key: {len(key)} characters, where 8 to 512 printable ones are "
            "expected, without a space.",
            "Copy it from the Codat Portal (Developers > API keys).",
        )
    question = f"Have the hub in {env} call Codat with the key {fingerprint(key)} from now on?"
    Leave(env, yes, yes_prod).to_remove(question)
    environment.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=key)
    output.result(None, f"{env} calls Codat with the key {fingerprint(key)}.")
    output.note(
        "Running functions use it within ten minutes. Ask Codat now whose it is: "
        f"tools/hub reconcile start --env {env}"
    )


def check(secret: str) -> str:
    """Return the secret without surrounding space. Raises Misused, never quoting it."""
    secret = secret.strip()
    try:
        signing_key(secret)
    except ValueError as why:
        raise Misused(f"{why}.", "Copy it from the endpoint in the Codat Portal.") from None
    return secret


def _add(output: Output, store: SigningSecretStore, consumer: str, secret: str) -> None:
    if store.read().get(consumer, [])[:1] == [secret]:
        output.result(None, f"{consumer} accepts {fingerprint(secret)} already; nothing changed.")
        return

    def with_it(accepted: Accepted) -> Accepted:
        # one that is given again is the newest again, so that `retire` keeps it
        others = [each for each in accepted.get(consumer, []) if each != secret]
        return {**accepted, consumer: [secret, *others]}

    others = store.change(with_it)[consumer][1:]
    older = f" and {len(others)} older" if others else ""
    output.result(None, f"{consumer} now accepts {fingerprint(secret)}{older}.")
    output.note("Running functions know within a minute of the first delivery that needs it.")


def _without(store: SigningSecretStore, consumer: str, unwanted: list[str]) -> list[str]:
    """Accept these no more, and go on accepting what others have added meanwhile."""

    def without(accepted: Accepted) -> Accepted:
        kept = [each for each in accepted.get(consumer, []) if each not in unwanted]
        return {**accepted, consumer: kept}

    return store.change(without)[consumer]


def _check_name(consumer: str) -> None:
    if not is_consumer(consumer):
        raise Misused(
            f"{consumer!r}: a consumer's name is 1 to 63 of a-z, 0-9 and -, not beginning with -"
        )


def _of(accepted: Accepted, consumer: str, env: Name) -> list[str]:
    if consumer not in accepted:
        names = ", ".join(sorted(accepted)) or "none"
        raise Failure(
            f"{env} has no consumer {consumer!r}. It has: {names}",
            f"Add it: tools/hub secrets add {consumer} --env {env}",
        )
    return accepted[consumer]


def _prints(secrets: list[str]) -> str:
    return " and ".join(map(fingerprint, secrets))


def _ask(question: str) -> str:
    return hidden(question) if sys.stdin.isatty() else sys.stdin.read()


def _store(environment: Environment) -> SigningSecretStore:
    return SigningSecretStore(
        environment.client("secretsmanager"), environment.output("SigningSecretsArn")
    )
