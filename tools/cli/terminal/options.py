"""The options that every command shares."""

from typing import Annotated

import typer

from tools.cli.environments import Name

EnvOption = Annotated[
    Name,
    typer.Option(
        "--env", envvar="HUB_ENV", help="Which environment to act on.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask (but in prod).")]
YesProdOption = Annotated[
    bool, typer.Option("--yes-prod", help="Do not ask in prod either: for reviewed scripts.")
]
CompanyArgument = Annotated[
    str, typer.Argument(metavar="COMPANY", help="The company's id at Codat, a UUID.")
]
ProductArgument = Annotated[
    str,
    typer.Argument(metavar="PRODUCT", help="The product's identifier, as `products list` has it."),
]
StayOption = Annotated[
    bool, typer.Option("--watch/--no-watch", help="Stay until it is over, or only start it.")
]
WatchOption = Annotated[bool, typer.Option("--watch", help="Stay until it is over.")]
