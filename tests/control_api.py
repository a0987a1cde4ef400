"""A small control API in memory: what the CLI is tested against without a stack.

It knows the documented routes, keeps what is put, and answers in pages. Every answer, and every
body that it takes, is held against the OpenAPI document that the real API generates, so that the
two cannot drift apart.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote

import httpx
import jsonschema

from codat_hub.api.app import openapi

DOCUMENT = openapi()
NOW = "2026-07-01T12:00:00.000000+00:00"
CALLER = "arn:aws:iam::000000000000:user/operator"


def refused(status, detail, *errors, **members):
    body = {"type": "urn:codat-hub:problem:test", "title": "No", "status": status, "detail": detail}
    body |= {"errors": list(errors)} | members
    headers = {"Content-Type": "application/problem+json"}
    return httpx.Response(status, headers=headers, content=json.dumps(body))


@dataclass
class FakeControlApi:
    """Use it as the handler of an httpx.MockTransport. `calls`: (method, path, body) so far.

    before: called with each request first; an answer it returns is given instead
    """

    page_size: int = 100
    products: dict = field(default_factory=dict)
    companies: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)
    before: object = None

    def __call__(self, request):
        path = unquote(request.url.raw_path.decode().partition("?")[0]).removeprefix("/local")
        body = json.loads(request.content) if request.content else None
        query = dict(request.url.params)
        self.calls.append((request.method, path, body))
        if self.before and (instead := self.before(request.method, path)):
            return instead
        for method, pattern, answer in self.ROUTES:
            found = re.fullmatch(re.sub(r"{\w+}", "([^/]+)", pattern), path)
            if method == request.method and found:
                operation = documented(method, pattern)
                answered = answer(self, *found.groups(), body=body, query=query)
                if isinstance(answered, dict):
                    answered = httpx.Response(success(operation), json=answered)
                if answered.is_success:  # one that is refused may be of any form
                    hold_body(operation, body)
                hold_answer(operation, answered)
                return answered
        return refused(404, "The API has no such path with this method.")

    def sent(self, method):
        """Return path and body of the calls that were made with a method."""
        return [(path, body) for called, path, body in self.calls if called == method]

    # ---- products ------------------------------------------------------------------------------
    def list_products(self, **_):
        return {"products": [self.products[name] for name in sorted(self.products)]}

    def apply_products(self, body, query):
        problems = [
            {"field": f"products[{number}].data_types[{place}]", "value": one,
             "message": "Codat has no such data type"}
            for number, product in enumerate(body["products"])
            for place, one in enumerate(product.get("data_types", ())) if one == "nonsense"
        ]  # fmt: skip
        if problems:
            return refused(400, "The request is not valid. Nothing was changed.", *problems)
        wanted = {one["product"]: whole(one) for one in body["products"]}
        names = sorted(self.products.keys() | wanted.keys())
        changes = [
            {"product": one, "change": change_of(self.products.get(one), wanted.get(one)),
             "fields": []} for one in names
        ]  # fmt: skip
        dry = query.get("dry_run") == "true"
        scheduled = [one for one in wanted if wanted[one]["schedule"]] if not dry else []
        if not dry:
            self.products = wanted
        warnings = ["a reads more: bills."] if "a" in wanted else []
        return {"applied": not dry, "changes": changes, "warnings": warnings,
                "scheduled": scheduled}  # fmt: skip

    def show_product(self, product, **_):
        return self.products.get(product) or absent(f"No product {product!r} is registered.")

    def remove_product(self, product, **_):
        if product not in self.products:
            return absent(f"No product {product!r} is registered.")
        del self.products[product]
        change = {"product": product, "change": "removed", "fields": []}
        return {"applied": True, "changes": [change], "warnings": [], "scheduled": [product]}

    ROUTES = (
        ("GET", "/products", list_products),
        ("PUT", "/products", apply_products),
        ("GET", "/products/{product}", show_product),
        ("DELETE", "/products/{product}", remove_product),
    )


def absent(detail):
    return refused(404, detail)


def whole(product):
    """Return a product with every field, as the API answers it."""
    names = ("name", "schedule", "team", "consent_text_version")
    schedule = product.get("schedule")
    if schedule:
        schedule = {"timezone": "UTC", "enabled": True} | schedule
    return dict.fromkeys(names) | {"data_types": []} | product | {"schedule": schedule}


def change_of(before, after):
    if before is None or after is None:
        return "added" if before is None else "removed"
    return "unchanged" if before == after else "changed"


def documented(method, path):
    operation = DOCUMENT["paths"].get(path, {}).get(method.lower())
    assert operation, f"the API has no {method} {path}"
    return operation


def success(operation):
    return min((int(one) for one in operation["responses"] if one.startswith("2")), default=200)


def hold_body(operation, body):
    content = operation.get("requestBody", {}).get("content", {})
    if content:
        check(body, content["application/json"]["schema"])
    else:
        assert body in (None, {}), "a body that the API does not read"


def hold_answer(operation, answer):
    documented = operation["responses"].get(str(answer.status_code))
    if answer.is_success and documented is None:
        return
    assert documented, f"{answer.status_code} is not documented"
    (content,) = documented["content"].values()
    if "schema" in content:
        check(answer.json(), content["schema"])


def check(value, schema):
    jsonschema.validate(value, {**schema, "components": DOCUMENT["components"]})


def a_moment(hour):
    return datetime(2026, 7, 1, hour, tzinfo=UTC).isoformat()
