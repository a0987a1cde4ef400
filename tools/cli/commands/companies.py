"""`hub companies`: the client's customers at Codat, and the products of each."""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer

from tools.cli.api import segment
from tools.cli.commands.consents import consent_terms
from tools.cli.environments import control_api
from tools.cli.failures import Failure, FieldError, Interrupted, Misused, Refused, Unanswered
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
from tools.cli.terminal.output import Column, Output, print_json

type Json = dict[str, Any]

app = typer.Typer(help="Companies at Codat, and the products of each.", no_args_is_help=True)

_PAGE: Final = 200  # the largest page of the API


@app.command("list")
def list_(
    env: EnvOption,
    product: Annotated[
        str | None, typer.Option("--product", help="Only companies with this product.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Only names that contain this text, in any case.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option("--status", help="With --product: only this status, such as assigned."),
    ] = None,
    linked: Annotated[
        bool | None,
        typer.Option("--linked/--unlinked", help="Only with, or without, a linked connection."),
    ] = None,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Also companies that were deleted at Codat.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List companies, page by page."""
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
                Column("company", lambda company: company["company_id"], whole=True),
                Column("name", lambda company: company.get("name")),
                Column("linked", lambda company: "yes" if company.get("linked") else "no"),
                Column("products", lambda company: company["products"]),
            ],
            f"No company in {env} matches. List all: tools/hub companies list --env {env}"
            if any(value is not None for value in filters.values())
            else f"No companies in {env} yet. Import them from Codat: "
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
            Column("connection", lambda connection: connection["connection_id"], whole=True),
            Column("status", lambda connection: connection["status"]),
            Column("integration", lambda connection: connection.get("integration")),
            Column("source", lambda connection: connection.get("source_type")),
        ],
        "No connections: the customer has not linked anything yet.",
    )
    output.out.print()
    assignments = found["assignments"]
    output.table(
        [[held for held in assignments if held["status"] != "absent"]],
        [
            Column("product", lambda assignment: assignment["product"], whole=True),
            Column("status", lambda assignment: assignment["status"]),
            Column(
                "consent", lambda assignment: "given" if assignment["consent_active"] else "none"
            ),
            Column("last read", lambda assignment: readable(assignment.get("last_read_at"))),
            Column("changed", lambda assignment: readable(assignment.get("changed_at"))),
            Column("by", lambda assignment: assignment.get("changed_by")),
        ],
        f"No products. Add one: tools/hub companies add-product {company} PRODUCT --env {env}",
    )


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The customer's name.")],
    env: EnvOption,
    description: Annotated[str | None, typer.Option(help="A description, kept at Codat.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="A tag; repeat for more.")
    ] = None,
    product: Annotated[
        list[str] | None,
        typer.Option(
            "--product",
            metavar="PRODUCT",
            help="A product to add; repeat for more. Needs --consent-by.",
        ),
    ] = None,
    consent_by: Annotated[
        str | None,
        typer.Option(
            help="The person at the customer that agreed to all these products as they are."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Continue a creation that was not finished: the key that it printed."),
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
    Confirmation(env, yes_prod=yes_prod).ask_in_prod(f"Create the company {name!r}?")
    with control_api(env) as api:
        if consent_by:
            body["consents"] = {
                name: {"granted_by": consent_by, **consent_terms(api, name)} for name in products
            }
        with _naming_the_key(key):
            created = api.post("companies", body, key)
    company = created["company_id"]
    output.result(created, f"{name} has the id {company}.")
    if created["name"] not in {None, name}:
        output.note(f"! Codat stored the name {created['name']!r}: it removes some characters.")
    if created.get("link_url"):
        output.note(f"Send the customer this link to connect an account: {created['link_url']}")
    if not created["complete"]:
        raise Failure(
            "Not every product was added.",
            "Remove the cause, then add it: "
            f"tools/hub companies add-product {company} PRODUCT --env {env}",
            tuple(
                FieldError(added["product"], f"{added['status']}: {added['detail']}")
                for added in created["products"]
                if added["status"] != "assigned"
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
    """Add a product to a company. Its consent must cover all data types of the product."""
    output = Output(as_json=as_json)
    Confirmation(env, yes_prod=yes_prod).ask_in_prod(f"Add {product} to {company}?")
    with control_api(env) as api:
        try:
            answer = api.put(_path(company, product))
        except Refused as refused:
            if any(error.field == "data_types" for error in refused.errors):
                refused.hint = (
                    f"If the customer agrees: tools/hub consents grant {company} {product} "
                    f"--by EMAIL --env {env}"
                )
            raise
    output.result(answer, f"{company} has {product}.")


@app.command("remove-product")
def remove_product(
    company: CompanyArgument,
    product: ProductArgument,
    env: EnvOption,
    reason: Annotated[str | None, typer.Option(help="The reason; it is recorded.")] = None,
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Remove one product from a company. Its consent and its other products stay."""
    output = Output(as_json=as_json)
    question = f"Remove {product} from {company}? Codat stops reading for it at once."
    Confirmation(env, yes, yes_prod).ask(question)
    again = f"tools/hub companies remove-product {company} {product} --env {env}"
    with control_api(env) as api:
        answer = until_gone(
            output, lambda: api.delete(_path(company, product), reason=reason), again
        )
    output.result(answer, f"{company} no longer has {product}.")


@contextmanager
def _naming_the_key(key: str) -> Iterator[None]:
    """After an unknown outcome, name the key that continues the same creation."""
    go_on = f"Give the same command again with --key {key}, so that no second company is made."
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("Interrupted. The company may have been created.", go_on) from None
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
