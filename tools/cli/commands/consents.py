"""`hub consents`: what each customer agreed to, product by product."""

from typing import Annotated, Any, Final

import typer

from tools.cli.api import ControlApi, segment
from tools.cli.environments import control_api
from tools.cli.failures import Misused
from tools.cli.removal import until_gone
from tools.cli.terminal.confirmation import Leave
from tools.cli.terminal.moments import readable
from tools.cli.terminal.options import (
    CompanyArgument,
    EnvOption,
    JsonOption,
    ProductArgument,
    YesOption,
    YesProdOption,
)
from tools.cli.terminal.output import Column, Output

type Json = dict[str, Any]

app = typer.Typer(
    help="Consents: who agreed, when, to which text, for which data types.", no_args_is_help=True
)


_CONSENTS: Final = [
    Column("product", lambda one: one["product"], whole=True),
    Column("state", lambda one: "revoked" if one.get("revoked_at") else "given"),
    Column("given", lambda one: readable(one["granted_at"])),
    Column("by", lambda one: one["granted_by"]),
    Column("text", lambda one: one["text_version"]),
    Column("data types", lambda one: one["data_types"]),
    Column("revoked", lambda one: readable(one.get("revoked_at"))),
]
_HISTORY: Final = [
    Column("product", lambda one: one["consent"]["product"], whole=True),
    Column("#", lambda one: one["number"], right=True),
    Column("what", lambda one: "revoked" if one["consent"].get("revoked_at") else "given"),
    Column(
        "when",
        lambda one: readable(one["consent"].get("revoked_at") or one["consent"]["granted_at"]),
    ),
    Column("by the customer's", lambda one: one["consent"]["granted_by"]),
    Column("text", lambda one: one["consent"]["text_version"]),
    Column("data types", lambda one: one["consent"]["data_types"]),
    Column("reason", lambda one: one.get("reason")),
    Column("recorded by", lambda one: one["by"]),
]


@app.command("list")
def list_(
    company: CompanyArgument,
    env: EnvOption,
    history: Annotated[
        bool, typer.Option("--history", help="Every entry there ever was, the oldest first.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a company has agreed to: the newest of each product, revoked ones too."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        found = api.get(f"companies/{segment(company)}/consents", history=history or None)
        if not found["consents"]:
            api.get(f"companies/{segment(company)}")  # who does not exist has not agreed either
    empty = (
        f"{company} has agreed to nothing yet. Record a consent: "
        f"tools/hub consents grant {company} PRODUCT --by EMAIL --env {env}"
    )
    if history:
        output.table([found["history"] or []], _HISTORY, empty)
    else:
        output.table([found["consents"]], _CONSENTS, empty)


@app.command()
def grant(
    company: CompanyArgument,
    product: ProductArgument,
    env: EnvOption,
    by: Annotated[str, typer.Option("--by", help="Who at the customer agreed, such as an e-mail.")],
    text_version: Annotated[
        str | None,
        typer.Option(help="Which text they agreed to; the product's present one if left out."),
    ] = None,
    data_type: Annotated[
        list[str] | None,
        typer.Option("--data-type", help="Again for more; all of the product's if left out."),
    ] = None,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Record that a customer agreed to a product. It does not add the product yet."""
    output = Output(as_json=as_json)
    Leave(env, yes_prod=yes_prod).to_change(f"Record {by}'s consent to {product}?")
    with control_api(env) as api:
        body = {
            "granted_by": by,
            **agreed_now(api, product, text_version, data_type),
        }
        answer = api.put(f"companies/{segment(company)}/consents/{segment(product)}", body)
    types = ", ".join(answer["data_types"])
    output.result(answer, f"{by} agreed to {product}, text {answer['text_version']}: {types}.")
    for warning in answer["warnings"]:
        output.note(f"! {warning}")
    output.note(f"Add the product: tools/hub companies add-product {company} {product} --env {env}")


@app.command()
def revoke(
    company: CompanyArgument,
    product: ProductArgument,
    env: EnvOption,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded for good.")],
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Take a consent back: the product is removed, its refreshes end, nothing else changes."""
    output = Output(as_json=as_json)
    question = f"Revoke {company}'s consent to {product}, and remove the product?"
    Leave(env, yes, yes_prod).to_remove(question)
    again = f"tools/hub consents revoke {company} {product} --reason … --env {env}"
    with control_api(env) as api:
        path = f"companies/{segment(company)}/consents/{segment(product)}"
        answer = until_gone(output, lambda: api.delete(path, reason=reason), again)
    output.result(answer, f"The consent is revoked; {company} has {product} no more.")


def agreed_now(
    api: ControlApi,
    product: str,
    text_version: str | None = None,
    data_types: list[str] | None = None,
) -> Json:
    """Return what was agreed to, the product's own where it was not said."""
    if text_version and data_types:
        return {"text_version": text_version, "data_types": data_types}
    known = api.get(f"products/{segment(product)}")
    text_version = text_version or known.get("consent_text_version")
    if not text_version:
        raise Misused(
            f"{product} names no text that customers agree to.",
            "Say which one it was: --text-version VERSION",
        )
    return {"text_version": text_version, "data_types": data_types or known["data_types"]}
