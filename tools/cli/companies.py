"""`hub companies`: who the client's customers at Codat are, and which products each has."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from tools.cli.api import segment
from tools.cli.confirmation import Leave
from tools.cli.consents import agreed_now
from tools.cli.environments import control_api
from tools.cli.failures import Misused
from tools.cli.moments import readable
from tools.cli.options import (
    CompanyArgument,
    EnvOption,
    JsonOption,
    ProductArgument,
    YesOption,
    YesProdOption,
)
from tools.cli.output import Column, Output, print_json

type Json = dict[str, Any]

app = typer.Typer(help="Companies at Codat, and the products each has.", no_args_is_help=True)


@app.command("list")
def list_(
    env: EnvOption,
    product: Annotated[
        str | None, typer.Option("--product", help="Only companies that have it.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Only names that contain this, in any case.")
    ] = None,
    linked: Annotated[
        bool | None,
        typer.Option("--linked/--unlinked", help="Only with, or without, a connection that syncs."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show companies, page by page as they come."""
    output = Output(as_json=as_json)
    filtered = product is not None or name is not None or linked is not None
    with control_api(env) as api:
        count = output.table(
            api.pages("companies", "companies", product=product, name=name, linked=linked),
            [
                Column("company", lambda one: one["company_id"], whole=True),
                Column("name", lambda one: one.get("name")),
                Column("linked", lambda one: "yes" if one.get("linked") else "no"),
                Column("products", lambda one: _products(one.get("products", ()))),
            ],
            f"No company in {env} matches. Leave a filter out to see more."
            if filtered
            else f"No companies in {env} yet. Learn those at Codat: "
            f"tools/hub reconcile start --env {env}",
        )
    if count:
        output.note(f"{count} compan{'ies' if count > 1 else 'y'}")


@app.command()
def show(company: CompanyArgument, env: EnvOption, as_json: JsonOption = False) -> None:
    """Show one company: its connections, its products and their consents."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        found = api.get(f"companies/{segment(company)}")
    if as_json:
        print_json(found)
        return
    output.facts(
        [
            ("company", found["company_id"]),
            ("name", found.get("name")),
            ("deleted", readable(found["deleted_at"]) if found.get("deleted_at") else "no"),
        ]
    )
    output.out.print()
    output.table(
        [found.get("connections", [])],
        [
            Column("connection", lambda one: one["connection_id"], whole=True),
            Column("status", lambda one: one["status"]),
            Column("integration", lambda one: one.get("integration")),
            Column("source", lambda one: one.get("source_type")),
        ],
        "No connections: the customer has linked nothing yet.",
    )
    output.out.print()
    output.table(
        [found.get("products", [])],
        [
            Column("product", lambda one: one["product"], whole=True),
            Column("status", lambda one: one["status"]),
            Column("changed", lambda one: readable(one.get("changed_at"))),
            Column("by", lambda one: one.get("changed_by")),
        ],
        f"No products. Give it one: tools/hub companies add-product {company} PRODUCT --env {env}",
    )


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The customer's name.")],
    env: EnvOption,
    description: Annotated[str | None, typer.Option(help="A text kept with it at Codat.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="Again for more.")
    ] = None,
    product: Annotated[
        list[str] | None,
        typer.Option("--product", help="To give it at once; again for more. Needs --consent-by."),
    ] = None,
    consent_by: Annotated[
        str | None,
        typer.Option(help="Who at the customer agreed to all of these products, as they are now."),
    ] = None,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Create a company at Codat, with products if the customer has agreed to them."""
    output = Output(as_json=as_json)
    products = product or []
    body: Json = {"name": name, "description": description, "tags": _tags(tag or ())}
    body |= {"products": products}
    body = {key: value for key, value in body.items() if value}
    Leave(env, yes_prod=yes_prod).to_change(f"Create the company {name!r}?")
    with control_api(env) as api:
        if consent_by:
            body["consents"] = {
                one: {"granted_by": consent_by, **agreed_now(api, one)} for one in products
            }
        answer = api.post("companies", body)
    company = answer["company_id"]
    output.result(answer, f"{name} is {company}.")


@app.command("add-product")
def add_product(
    company: CompanyArgument,
    product: ProductArgument,
    env: EnvOption,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Give a company a product, if its consent covers all of the product's data types."""
    output = Output(as_json=as_json)
    Leave(env, yes_prod=yes_prod).to_change(f"Add {product} to {company}?")
    with control_api(env) as api:
        answer = api.put(_path(company, product))
    output.result(answer, f"{company} has {product}.")


@app.command("remove-product")
def remove_product(
    company: CompanyArgument,
    product: ProductArgument,
    env: EnvOption,
    reason: Annotated[str | None, typer.Option(help="Why; it is recorded.")] = None,
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Take one product from a company. Its other products and its connections stay as they are."""
    output = Output(as_json=as_json)
    question = f"Remove {product} from {company}? Codat stops reading for it at once."
    Leave(env, yes, yes_prod).to_remove(question)
    with control_api(env) as api:
        answer = api.delete(_path(company, product), reason=reason)
    output.result(answer, f"{company} has {product} no more.")


def _path(company: str, product: str) -> str:
    return f"companies/{segment(company)}/products/{segment(product)}"


def _products(products: Iterable[Json | str]) -> str:
    return ", ".join(
        one if isinstance(one, str) else one["product"] + _unless(one.get("status"), "assigned")
        for one in products
    )


def _unless(status: str | None, usual: str) -> str:
    return "" if status in (None, usual) else f" ({status})"


def _tags(pairs: Iterable[str]) -> dict[str, str]:
    tags = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise Misused(f"--tag {pair!r} is not KEY=VALUE, such as region=uk.")
        tags[key] = value
    return tags
