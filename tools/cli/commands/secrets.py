"""`hub secrets`: the signing secrets of each webhook consumer, and the Codat API key."""

import re
import sys
from typing import Annotated, Final

import typer

from codat_hub.webhooks.fingerprint import fingerprint
from codat_hub.webhooks.signing_secret import is_consumer, signing_key
from codat_hub.webhooks.signing_secret_store import Accepted, SigningSecretStore
from tools.cli.environments import Environment, Name, find
from tools.cli.failures import Failure, Misused
from tools.cli.terminal.confirmation import Confirmation, hidden
from tools.cli.terminal.options import EnvOption, JsonOption, YesOption, YesProdOption
from tools.cli.terminal.output import Column, Output, print_json

app = typer.Typer(
    help="Webhook signing secrets and the Codat API key. Only fingerprints are ever shown.",
    no_args_is_help=True,
)

ConsumerArgument = Annotated[
    str,
    typer.Argument(
        metavar="CONSUMER", help="The consumer's name: the last part of its URL in the Portal."
    ),
]
# Printable and without spaces, because the key goes into an HTTP header.
_API_KEY: Final = re.compile(r"[!-~]{8,512}")


@app.command("list")
def list_(env: EnvOption, as_json: JsonOption = False) -> None:
    """List the accepted secrets of each consumer as fingerprints, the newest first."""
    output = Output(as_json=as_json)
    accepted = _store(find(env)).read()
    shown = {name: [*map(fingerprint, secrets)] for name, secrets in sorted(accepted.items())}
    if as_json:
        print_json(shown)
        return
    output.table(
        [[{"name": name, "prints": prints} for name, prints in shown.items()]],
        [
            Column("consumer", lambda row: row["name"], whole=True),
            Column("newest", lambda row: (row["prints"] or ["none"])[0], whole=True),
            Column("also accepted", lambda row: row["prints"][1:]),
        ],
        f"No consumer in {env} yet. Add one: tools/hub secrets add CONSUMER --env {env}",
    )


@app.command()
def add(consumer: ConsumerArgument, env: EnvOption, yes_prod: YesProdOption = False) -> None:
    """Accept one more secret. It is read hidden, or from standard input."""
    _check_name(consumer)
    store = _store(find(env))
    secret = check(_ask("Signing secret (hidden)"))
    Confirmation(env, yes_prod=yes_prod).ask_in_prod(
        f"Accept {fingerprint(secret)} for {consumer}?"
    )
    _add(Output(as_json=False), store, consumer, secret)


@app.command()
def retire(
    consumer: ConsumerArgument,
    env: EnvOption,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Accept only the newest secret of a consumer."""
    output = Output(as_json=False)
    store = _store(find(env))
    newest, *older = _accepted(store.read(), consumer, env) or [""]
    if not older:
        output.result(None, f"{consumer} has no older secret; nothing changed.")
        return
    Confirmation(env, yes, yes_prod).ask(
        f"Within five minutes the hub refuses deliveries to {consumer} that are not signed with "
        f"{fingerprint(newest)}. Go on?"
    )
    kept = _without(store, consumer, older)
    output.result(None, f"{consumer} accepts {_prints(kept)} only.")


@app.command()
def remove(
    consumer: ConsumerArgument,
    print_: Annotated[
        str, typer.Argument(metavar="FINGERPRINT", help="As `secrets list` shows it.")
    ],
    env: EnvOption,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Stop accepting a secret of a consumer, such as a secret that was added by mistake."""
    output = Output(as_json=False)
    store = _store(find(env))
    present = store.read().get(consumer, [])
    unwanted = [secret for secret in present if fingerprint(secret) == print_]
    if not unwanted:
        known = ", ".join(map(fingerprint, present)) or "none"
        raise Failure(f"{consumer} accepts no secret {print_!r}. It accepts: {known}")
    Confirmation(env, yes, yes_prod).ask(
        f"Within five minutes the hub refuses deliveries to {consumer} signed with {print_}. "
        f"Secrets that remain: {len(present) - len(unwanted)}. Go on?"
    )
    _without(store, consumer, unwanted)
    output.result(None, f"{consumer} no longer accepts {print_}.")


@app.command()
def rotate(
    consumer: ConsumerArgument,
    env: EnvOption,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Rotate a secret in two runs: add Codat's new secret now, retire the old one a day later.

    The command finds out which run is next. You can stop at any point and come back.
    """
    output = Output(as_json=False)
    store = _store(find(env))
    accepted = _accepted(store.read(), consumer, env)
    if len(accepted) > 1:
        output.note(f"{consumer} accepts {_prints(accepted)}: the rotation has started.")
        output.note("Codat signs with the old and the new secret for 24 hours after a rotation.")
        retire(consumer, env, yes, yes_prod)
        output.note("The rotation is over.")
        return
    output.note(f"{consumer} accepts {_prints(accepted) or 'no secret yet'}.")
    output.note("1. Rotate the endpoint's secret in the Codat Portal (webhooks settings).")
    output.note("   The old secret stays valid for 24 hours, so no webhook is lost.")
    output.note("2. Copy the new secret from the endpoint and enter it here.")
    secret = check(_ask("New signing secret (hidden)"))
    if secret in accepted:
        raise Failure(
            f"{consumer} accepts this secret already: {fingerprint(secret)}.",
            "Rotate it in the Portal first, then copy the new one.",
        )
    Confirmation(env, yes_prod=yes_prod).ask_in_prod(
        f"Accept {fingerprint(secret)} for {consumer}?"
    )
    _add(output, store, consumer, secret)
    output.note(f"3. In a day: tools/hub secrets rotate {consumer} --env {env}")


@app.command("set-api-key")
def set_api_key(env: EnvOption, yes: YesOption = False, yes_prod: YesProdOption = False) -> None:
    """Store the Codat API key. It is read hidden, or from standard input, and never shown."""
    output = Output(as_json=False)
    environment = find(env)
    arn = environment.output("CodatApiKeyArn")
    key = _ask("Codat API key (hidden)").strip()
    if key.lower().startswith("basic "):
        raise Misused(
            "This is the Authorization header, not the API key.",
            "Copy the key itself from the Codat Portal (Developers > API keys).",
        )
    if not _API_KEY.fullmatch(key):
        raise Misused(
            f"This is not an API key: it has {len(key)} characters. Allowed: 8 to 512 printable "
            "characters without spaces.",
            "Copy it from the Codat Portal (Developers > API keys).",
        )
    question = f"Use the key {fingerprint(key)} for all calls from {env} to Codat?"
    Confirmation(env, yes, yes_prod).ask(question)
    environment.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=key)
    output.result(None, f"{env} calls Codat with the key {fingerprint(key)}.")
    output.note(
        "Running functions use it within ten minutes. Check which client it belongs to: "
        f"tools/hub reconcile start --env {env}"
    )


def check(secret: str) -> str:
    """Return the secret without surrounding space. Raises Misused, which never quotes it."""
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
        # a secret that is given again becomes the newest, so that `retire` keeps it
        others = [other for other in accepted.get(consumer, []) if other != secret]
        return {**accepted, consumer: [secret, *others]}

    others = store.change(with_it)[consumer][1:]
    older = f" and {len(others)} older" if others else ""
    output.result(None, f"{consumer} now accepts {fingerprint(secret)}{older}.")
    output.note("Running functions accept it within a minute of the first delivery signed with it.")


def _without(store: SigningSecretStore, consumer: str, unwanted: list[str]) -> list[str]:
    """Remove these secrets, but keep secrets that others have added meanwhile."""

    def without(accepted: Accepted) -> Accepted:
        kept = [secret for secret in accepted.get(consumer, []) if secret not in unwanted]
        return {**accepted, consumer: kept}

    return store.change(without)[consumer]


def _check_name(consumer: str) -> None:
    if not is_consumer(consumer):
        raise Misused(
            f"{consumer!r} is not a consumer's name. Allowed: 1 to 63 of a-z, 0-9 and -, "
            "and the first is not -."
        )


def _accepted(accepted: Accepted, consumer: str, env: Name) -> list[str]:
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
