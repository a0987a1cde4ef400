"""`hub consents`: the consents of customers to products."""

from typing import Annotated, Any, Final

import typer

from tools.cli.api import ControlApi, segment
from tools.cli.environments import control_api
from tools.cli.failures import Misused
from tools.cli.removal import until_gone
from tools.cli.terminal.confirmation import Confirmation
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
    help="Consents of customers to products: who, when, which text, which data types.",
    no_args_is_help=True,
)


_CONSENTS: Final = [
    Column("product", lambda consent: consent["product"], whole=True),
    Column("state", lambda consent: "revoked" if consent.get("revoked_at") else "given"),
    Column("given", lambda consent: readable(consent["granted_at"])),
    Column("agreed by", lambda consent: consent["granted_by"]),
    Column("text", lambda consent: consent["text_version"]),
    Column("data types", lambda consent: consent["data_types"]),
    Column("revoked", lambda consent: readable(consent.get("revoked_at"))),
]
_HISTORY: Final = [
    Column("product", lambda entry: entry["consent"]["product"], whole=True),
    Column("#", lambda entry: entry["number"], right=True),
    Column("what", lambda entry: "revoked" if entry["consent"].get("revoked_at") else "given"),
    Column(
        "when",
        lambda entry: readable(
            entry["consent"].get("revoked_at") or entry["consent"]["granted_at"]
        ),
    ),
    Column("agreed by", lambda entry: entry["consent"]["granted_by"]),
    Column("text", lambda entry: entry["consent"]["text_version"]),
    Column("data types", lambda entry: entry["consent"]["data_types"]),
    Column("reason", lambda entry: entry.get("reason")),
    Column("recorded by", lambda entry: entry["by"]),
]


@app.command("list")
def list_(
    company: CompanyArgument,
    env: EnvOption,
    history: Annotated[
        bool, typer.Option("--history", help="Every entry, the oldest first.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List a company's newest consent to each product, even if it is revoked."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        path = f"companies/{segment(company)}/consents"
        pages = list(api.pages(path, "history" if history else "consents", history=history or None))
        if not any(pages):
            api.get(f"companies/{segment(company)}")  # an unknown company has no consents either
    empty = (
        f"{company} has no consents yet. Record one: "
        f"tools/hub consents grant {company} PRODUCT --by EMAIL --env {env}"
    )
    output.table(pages, _HISTORY if history else _CONSENTS, empty)


@app.command()
def grant(
    company: CompanyArgument,
    product: ProductArgument,
    env: EnvOption,
    by: Annotated[str, typer.Option("--by", help="The person that agreed, such as an e-mail.")],
    text_version: Annotated[
        str | None,
        typer.Option(help="The text that they agreed to; the product's present text if left out."),
    ] = None,
    data_type: Annotated[
        list[str] | None,
        typer.Option(
            "--data-type",
            metavar="TYPE",
            help="A data type; repeat for more. All of the product's if left out.",
        ),
    ] = None,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Record a customer's consent to a product. The product is not added yet."""
    output = Output(as_json=as_json)
    Confirmation(env, yes_prod=yes_prod).ask_in_prod(f"Record {by}'s consent to {product}?")
    with control_api(env) as api:
        body = {
            "granted_by": by,
            **consent_terms(api, product, text_version, data_type),
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
    reason: Annotated[str, typer.Option("--reason", help="The reason; it is recorded.")],
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Revoke a consent: the product is removed, its refreshes end, nothing else changes."""
    output = Output(as_json=as_json)
    question = f"Revoke {company}'s consent to {product}, and remove the product?"
    Confirmation(env, yes, yes_prod).ask(question)
    again = f"tools/hub consents revoke {company} {product} --reason … --env {env}"
    with control_api(env) as api:
        path = f"companies/{segment(company)}/consents/{segment(product)}"
        answer = until_gone(output, lambda: api.delete(path, reason=reason), again)
    output.result(answer, f"The consent is revoked; {company} no longer has {product}.")


def consent_terms(
    api: ControlApi,
    product: str,
    text_version: str | None = None,
    data_types: list[str] | None = None,
) -> Json:
    """Return the agreed text version and data types; by default the product's own."""
    if text_version and data_types:
        return {"text_version": text_version, "data_types": data_types}
    known = api.get(f"products/{segment(product)}")
    text_version = text_version or known.get("consent_text_version")
    if not text_version:
        raise Misused(
            f"{product} has no consent text of its own.",
            "Give the text that the customer agreed to: --text-version VERSION",
        )
    return {"text_version": text_version, "data_types": data_types or known["data_types"]}
