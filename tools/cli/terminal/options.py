"""Options and arguments that several commands share."""

from typing import Annotated

import typer

from tools.cli.environments import Name

EnvOption = Annotated[
    Name,
    typer.Option("--env", envvar="HUB_ENV", help="The environment to act on.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Has no effect in prod.")]
YesProdOption = Annotated[
    bool, typer.Option("--yes-prod", help="Do not ask in prod: for reviewed scripts.")
]
CompanyArgument = Annotated[
    str, typer.Argument(metavar="COMPANY", help="The company's id at Codat, a UUID.")
]
ProductArgument = Annotated[
    str,
    typer.Argument(
        metavar="PRODUCT", help="The product's identifier, as `products list` shows it."
    ),
]
StayOption = Annotated[
    bool, typer.Option("--watch/--no-watch", help="Watch it to the end, or only start it.")
]
WatchOption = Annotated[bool, typer.Option("--watch", help="Watch it to the end.")]
