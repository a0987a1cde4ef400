"""`hub companies`: who the client's customers at Codat are, and which products each has."""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer

from tools.cli.api import segment
from tools.cli.commands.consents import agreed_now
from tools.cli.environments import control_api
from tools.cli.failures import Failure, FieldError, Interrupted, Misused, Refused, Unanswered
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
from tools.cli.terminal.output import Column, Output, print_json

type Json = dict[str, Any]

app = typer.Typer(help="Companies at Codat, and the products each has.", no_args_is_help=True)

_PAGE: Final = 200  # the most that the API gives at once


@app.command("list")
def list_(
    env: EnvOption,
    product: Annotated[
        str | None, typer.Option("--product", help="Only companies that have it.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Only names that contain this, in any case.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option("--status", help="With --product: only where it is assigned, adding, …"),
    ] = None,
    linked: Annotated[
        bool | None,
        typer.Option("--linked/--unlinked", help="Only with, or without, a connection that syncs."),
    ] = None,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Those that were deleted at Codat, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show companies, page by page as they come."""
    output = Output(as_json=as_json)
    filters = {
        "product": product,
        "status": status,
        "name": name,
        "linked": linked,
        "deleted": deleted or None,
    }
    with control_api(env) as api:
        count = output.table(
            api.pages("companies", "companies", limit=_PAGE, **filters),
            [
                Column("company", lambda one: one["company_id"], whole=True),
                Column("name", lambda one: one.get("name")),
                Column("linked", lambda one: "yes" if one.get("linked") else "no"),
                Column("products", lambda one: one["products"]),
            ],
            f"No company in {env} matches. Leave a filter out to see more."
            if any(value is not None for value in filters.values())
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
    held = [one for one in found["assignments"] if one["status"] != "absent"]
    output.table(
        [held],
        [
            Column("product", lambda one: one["product"], whole=True),
            Column("status", lambda one: one["status"]),
            Column("consent", lambda one: "given" if one["consent_active"] else "none"),
            Column("last read", lambda one: readable(one.get("last_read_at"))),
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
    key: Annotated[
        str | None,
        typer.Option(help="To go on with a creation that was not finished: as it was named then."),
    ] = None,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Create a company at Codat, with products if the customer has agreed to them."""
    output = Output(as_json=as_json)
    products = product or []
    if bool(products) is not bool(consent_by):
        raise Misused(
            "--product and --consent-by go together: a product needs the customer's consent.",
            "Nothing was created.",
        )
    body: Json = {
        "name": name,
        "description": description,
        "tags": _tags(tag or ()),
        "products": products,
    }
    body = {field: value for field, value in body.items() if value}
    key = key or str(uuid.uuid4())
    Leave(env, yes_prod=yes_prod).to_change(f"Create the company {name!r}?")
    with control_api(env) as api:
        if consent_by:
            body["consents"] = {
                one: {"granted_by": consent_by, **agreed_now(api, one)} for one in products
            }
        with _to_be_finished(key):
            created = api.post("companies", body, key)
    company = created["company_id"]
    output.result(created, f"{name} is {company}.")
    if created["name"] not in {None, name}:
        output.note(f"! Codat calls it {created['name']!r}: it takes some characters out of names.")
    if created.get("link_url"):
        output.note(f"The customer authorises a connection at {created['link_url']}")
    if not created["complete"]:
        raise Failure(
            "Not every product was added.",
            f"When that is mended: tools/hub companies add-product {company} PRODUCT --env {env}",
            tuple(
                FieldError(one["product"], f"{one['status']}: {one['detail']}")
                for one in created["products"]
                if one["status"] != "assigned"
            ),
        )


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
        try:
            answer = api.put(_path(company, product))
        except Refused as refused:
            if any(error.field == "data_types" for error in refused.errors):
                refused.hint = (
                    f"If the customer agrees: tools/hub consents grant {company} {product} "
                    f"--by WHO --env {env}"
                )
            raise
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
    """Take one product from a company. Its consent and its other products stay as they are."""
    output = Output(as_json=as_json)
    question = f"Remove {product} from {company}? Codat stops reading for it at once."
    Leave(env, yes, yes_prod).to_remove(question)
    again = f"tools/hub companies remove-product {company} {product} --env {env}"
    with control_api(env) as api:
        answer = until_gone(
            output, lambda: api.delete(_path(company, product), reason=reason), again
        )
    output.result(answer, f"{company} has {product} no more.")


@contextmanager
def _to_be_finished(key: str) -> Iterator[None]:
    """Say how to go on with a creation whose outcome is not known, so that it is not done twice."""
    go_on = f"Give the same command again with --key {key}, so that there is one company, not two."
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("Interrupted; the company may have been created.", go_on) from None
    except Unanswered as unanswered:
        unanswered.hint = go_on
        raise
    except Refused as refused:
        if refused.status in {429, 500, 502, 503, 504}:
            refused.hint = go_on
        raise


def _path(company: str, product: str) -> str:
    return f"companies/{segment(company)}/products/{segment(product)}"


def _tags(pairs: Iterable[str]) -> dict[str, str]:
    tags = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise Misused(f"--tag {pair!r} is not KEY=VALUE, such as region=uk.")
        tags[key] = value
    return tags
