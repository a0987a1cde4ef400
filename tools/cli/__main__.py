"""`tools/hub`: every operator command in one place."""

import sys

import typer
from botocore.exceptions import BotoCoreError, ClientError

from tools.cli import secrets
from tools.signing_secrets import MalformedSecret

app = typer.Typer(
    name="hub",
    help="Operate a Codat Hub: local, dev, test, staging or prod.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(secrets.app, name="secrets")


@app.callback()
def hub() -> None:
    """Operate a Codat Hub: local, dev, test, staging or prod."""


def main() -> None:
    try:
        app(prog_name="hub")
    except (ClientError, BotoCoreError) as error:
        sys.exit(f"AWS says no: {error}")
    except MalformedSecret as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
