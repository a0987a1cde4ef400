"""`tools/hub`: every operator command in one place."""

from typing import Any

from tools.starting import INTERRUPTED, importing

with importing():
    import typer
    from botocore.exceptions import BotoCoreError, ClientError
    from typer.core import TyperGroup

    from codat_hub.errors import Unavailable
    from codat_hub.webhooks.signing_secret_store import MalformedSecret
    from tools.cli.api import SIGN_IN
    from tools.cli.commands import (
        companies,
        consents,
        events,
        freshness,
        migrations,
        products,
        reconcile,
        refresh,
        replay,
        secrets,
        status,
    )
    from tools.cli.failures import Failure
    from tools.cli.terminal.output import show_failure, show_what_can_be_encoded

_ABOUT = (
    "Operate the Codat Hub of one environment: local, dev, test, staging or prod.\n\n"
    "Each command takes --env, or reads HUB_ENV. With --json, standard output is one JSON "
    "document. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted by Ctrl-C."
)


class Group(TyperGroup):
    """A group whose help shows the whole text of each command, wrapped and never cut."""

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.help or "") for name, command in self.commands.items()]
            )


class Hub(Group):
    """The root command: turns every failure and Ctrl-C into a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        show_what_can_be_encoded()
        try:
            return super().invoke(ctx)
        except Failure as failure:
            show_failure(failure)
            raise typer.Exit(failure.code) from None
        except (ClientError, BotoCoreError) as error:
            again = "Check your credentials and network, then give the same command again."
            if "expired" in str(error).lower():
                again = SIGN_IN
            show_failure(Failure(f"The call to AWS failed: {error}", again))
        except (MalformedSecret, Unavailable) as error:
            show_failure(Failure(str(error)))
        except KeyboardInterrupt:
            again = (
                "The hub finishes what it accepted. Give the same command again to see the result."
            )
            show_failure(Failure("Interrupted.", again))
            raise typer.Exit(INTERRUPTED) from None
        raise typer.Exit(1)


app = typer.Typer(
    name="hub",
    cls=Hub,
    help=_ABOUT,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich markup cuts long option names at 80 columns
)
app.add_typer(products.app, name="products", cls=Group)
app.add_typer(companies.app, name="companies", cls=Group)
app.add_typer(consents.app, name="consents", cls=Group)
app.add_typer(refresh.app, name="refresh", cls=Group)
app.command("freshness")(freshness.freshness)
app.add_typer(replay.app, name="replay", cls=Group)
app.add_typer(events.app, name="events", cls=Group)
app.add_typer(reconcile.app, name="reconcile", cls=Group)
app.add_typer(migrations.app, name="migrations", cls=Group)
app.command("status")(status.status)
app.add_typer(secrets.app, name="secrets", cls=Group)


@app.callback()
def hub() -> None:
    """Make the commands subcommands of `hub`."""


def main() -> None:
    app(prog_name="hub")


if __name__ == "__main__":
    main()
