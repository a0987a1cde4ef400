"""A small control API in memory replaces the stack in tests of the CLI.

It knows the documented routes, keeps the bodies of PUT calls, answers in pages. Every answer and
every accepted body is compared with the OpenAPI document of the real API, so that the two cannot
drift apart.
"""

import json
import re
import uuid
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
    """The handler of an httpx.MockTransport; `calls` are (method, path, body) so far.

    before: called first with each request; an answer that it returns replaces the real one
    """

    page_size: int = 100
    products: dict = field(default_factory=dict)
    companies: dict = field(default_factory=dict)
    consents: dict = field(default_factory=dict)
    reasons: list = field(default_factory=list)
    unsettled: int = 0
    runs: list = field(default_factory=list)
    drift: list = field(default_factory=list)
    ending: str = "complete"
    freshness: list = field(default_factory=list)
    replays: dict = field(default_factory=dict)
    resends: dict = field(default_factory=dict)
    tailed: list = field(default_factory=list)  # pages of events; None: the tail is over
    tickets: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)
    status: dict = field(default_factory=lambda: a_status())  # noqa: PLW0108  # it is defined below
    calls: list = field(default_factory=list)
    keys: list = field(default_factory=list)  # the Idempotency-Key of each call
    before: object = None

    def __call__(self, request):
        path = unquote(request.url.raw_path.decode().partition("?")[0]).removeprefix("/local")
        body = json.loads(request.content) if request.content else None
        query = dict(request.url.params)
        self.calls.append((request.method, path, body))
        if key := request.headers.get("Idempotency-Key"):
            self.keys.append(key)
        if self.before and (instead := self.before(request.method, path)):
            return instead
        for method, pattern, answer in self.ROUTES:
            found = re.fullmatch(re.sub(r"{\w+}", "([^/]+)", pattern), path)
            if method == request.method and found:
                operation = documented(method, pattern)
                answered = answer(self, *found.groups(), body=body, query=query)
                if isinstance(answered, dict):
                    answered = httpx.Response(success(operation), json=answered)
                if answered.is_success:  # a refused body may have any form
                    hold_body(operation, body)
                hold_answer(operation, answered)
                return answered
        return refused(404, "The API has no such path with this method.")

    def sent(self, method):
        """Return path and body of the calls with a method."""
        return [(path, body) for called, path, body in self.calls if called == method]

    # ---- products ------------------------------------------------------------------------------
    def list_products(self, **_):
        return {"products": [self.products[name] for name in sorted(self.products)]}

    def apply_products(self, body, query):
        problems = [
            {"field": f"products[{number}].data_types[{place}]", "value": data_type,
             "message": "Codat has no such data type"}
            for number, product in enumerate(body["products"])
            for place, data_type in enumerate(product.get("data_types", ()))
            if data_type == "nonsense"
        ]  # fmt: skip
        if problems:
            return refused(400, "The request is not valid. Nothing was changed.", *problems)
        wanted = {product["product"]: whole(product) for product in body["products"]}
        names = sorted(self.products.keys() | wanted.keys())
        changes = [
            {"product": name, "change": change_of(self.products.get(name), wanted.get(name)),
             "fields": []} for name in names
        ]  # fmt: skip
        dry = query.get("dry_run") == "true"
        scheduled = [name for name in wanted if wanted[name]["schedule"]] if not dry else []
        if not dry:
            self.products = wanted
        warnings = ["a reads more: bills."] if "a" in wanted else []
        return {"applied": not dry, "changes": changes, "warnings": warnings,
                "scheduled": scheduled}  # fmt: skip

    def show_product(self, product, **_):
        return self.products.get(product) or absent(f"No product {product!r} is registered.")

    def unregister_product(self, product, **_):
        if product not in self.products:
            return absent(f"No product {product!r} is registered.")
        del self.products[product]
        change = {"product": product, "change": "removed", "fields": []}
        return {"applied": True, "changes": [change], "warnings": [], "scheduled": [product]}

    # ---- companies and consents ----------------------------------------------------------------
    def seed(self, count, **members):
        """Add companies, known from Codat."""
        for number in range(count):
            company_id = str(uuid.UUID(int=number + 1, version=4))
            self.companies[company_id] = a_company(company_id, f"Company {number + 1}", **members)
        return list(self.companies)

    def list_companies(self, query, **_):
        wanted = query.get("product")
        found = [
            shown(company) for company in self.companies.values()
            if wanted is None or wanted in company["products"]
        ]  # fmt: skip
        return self.page("companies", found, query)

    def page(self, items, found, query):
        start = int(query.get("cursor", 0))
        after = start + min(self.page_size, int(query.get("limit", 50)))
        cursor = str(after) if after < len(found) else None
        return {items: found[start:after], "next_cursor": cursor}

    def show_company(self, company_id, **_):
        company = self.companies.get(company_id)
        return company or absent(f"The hub knows no company {company_id}.")

    def create_company(self, body, **_):
        company_id = str(uuid.UUID(int=len(self.companies) + 1, version=4))
        company = self.companies[company_id] = a_company(company_id, body["name"])
        for product, consent in body.get("consents", {}).items():
            self.grant(company_id, product, consent)
        outcomes = []
        for product in body.get("products", ()):
            answer = self.add_product(company_id, product)
            assigned = isinstance(answer, dict)
            outcomes.append({"product": product, "status": "assigned" if assigned else "refused",
                             "detail": None if assigned else answer.json()["detail"]})  # fmt: skip
        return {"company_id": company_id, "name": company["name"], "link_url": None,
                "complete": all(outcome["status"] == "assigned" for outcome in outcomes),
                "products": outcomes}  # fmt: skip

    def add_product(self, company_id, product, **_):
        company, consent = self.companies[company_id], self.consents.get((company_id, product))
        agreed = consent["data_types"] if consent and not consent["revoked_at"] else []
        missing = [
            data_type
            for data_type in self.products[product]["data_types"]
            if data_type not in agreed
        ]
        if missing:
            message = "not covered by a consent"
            errors = [{"field": "data_types", "value": data_type, "message": message}
                      for data_type in missing]  # fmt: skip
            return refused(409, f"Product {product} is not on company {company_id}.", *errors)
        return self.assign(company, product, "assigned")

    def assign(self, company, product, status):
        assignment = {"product": product, "status": status, "changed_at": NOW,
                      "changed_by": CALLER, "consent_active": True,
                      "last_read_at": None}  # fmt: skip
        others = [known for known in company["assignments"] if known["product"] != product]
        company["assignments"] = [*others, assignment]
        held = [name for name in company["products"] if name != product]
        company["products"] = [*held, product] if status == "assigned" else held
        return assignment

    def remove_product(self, company_id, product, **_):
        """Answer 202 `unsettled` times, as the hub does while a call that adds is under way."""
        status = "removing" if self.unsettled else "absent"
        body = self.assign(self.companies[company_id], product, status)
        if self.unsettled:
            self.unsettled -= 1
            return httpx.Response(202, headers={"Retry-After": "5"}, json=body)
        return body

    def list_consents(self, company_id, query, **_):
        ours = [(key[1], consent) for key, consent in self.consents.items() if key[0] == company_id]
        history = None
        if query.get("history") == "true":
            history = [
                {"number": 1, "by": CALLER, "reason": None, "consent": consent | {"warnings": []}}
                for _, consent in ours
            ]
        return {"consents": [consent | {"warnings": []} for _, consent in ours], "history": history}

    def grant(self, company_id, product, body, **_):
        if product not in self.products:
            return absent(f"No product {product!r} is registered.")
        consent = {"product": product, "granted_at": NOW, "revoked_at": None} | body
        self.consents[company_id, product] = consent
        text = self.products[product]["consent_text_version"]
        warnings = [] if text in (None, body["text_version"]) else [f"customers now see {text}."]
        return consent | {"warnings": warnings}

    def revoke(self, company_id, product, query, **_):
        consent = self.consents.get((company_id, product))
        if consent is None:
            return absent(f"Company {company_id} has no consent to product {product!r}.")
        consent["revoked_at"] = NOW
        self.reasons.append(query["reason"])
        return self.remove_product(company_id, product)

    # ---- reconcile, freshness, replays, status -------------------------------------------------
    def start_reconcile(self, body=None, **_):
        self.confirmed = (body or {}).get("confirm_gone")
        if self.runs and self.runs[-1]["status"] == "running":
            return self.runs[-1]
        self.runs.append(a_run(f"run-{len(self.runs) + 1}", len(self.companies)))
        return self.runs[-1]

    def list_reconciles(self, query, **_):
        return self.page("reconciles", self.runs[::-1], query)

    def show_reconcile(self, reconcile_id, query, **_):
        """Show a run that advances with every call and ends as `ending` says."""
        run = next((run for run in self.runs if run["reconcile_id"] == reconcile_id), None)
        if run is None:
            return absent(f"There is no reconcile {reconcile_id!r}.")
        if run["status"] == "running":
            run["counts"]["companies"] += 1
            if run["counts"]["companies"] >= 3:
                run |= {"status": self.ending, "finished_at": NOW, "mended": 1, "unsafe": 1}
                run["error"] = "Codat refused it" if self.ending == "failed" else None
        over = run["status"] != "running"
        wanted = query.get("kind")
        drift = [drift for drift in self.drift if over and wanted in (None, drift["kind"])]
        return run | self.page("items", drift, query)

    def list_freshness(self, query, **_):
        company_id = query.get("company")
        known = {None, *self.companies, *(row["company_id"] for row in self.freshness)}
        if company_id not in known:
            return absent(f"The hub knows no company {company_id}.")
        names = {"product": "product", "company": "company_id"}
        found = [
            row for row in self.freshness
            if all(row[names[name]] == query[name] for name in names if name in query)
            and (row["overdue"] or query.get("overdue") != "true")
        ]  # fmt: skip
        return self.page("freshness", found, query)

    def start_replay(self, body, **_):
        if not body:
            return refused(400, "The request is not valid.")
        replay = a_replay(str(uuid.uuid4()))
        self.replays[replay["replay_id"]] = replay
        return replay

    def show_replay(self, replay_id, **_):
        replay = self.replays.get(replay_id)
        if replay is None:
            return absent(f"There is no replay {replay_id!r}, or it is over 90 days old.")
        if replay["status"] == "queued":
            replay |= {"status": "running", "counts": {"published": 2}}
        elif replay["status"] == "running":
            error = "KeyError" if self.ending == "failed" else None
            counts = {"published": 2, "missing": 1}
            replay |= {"status": self.ending, "counts": counts, "error": error}
        return replay

    def start_resend(self, body, query):
        if query.get("dry_run") == "true":
            return a_resend(None, body, status="planned", events_at_most=12)
        resend = a_resend("r1", body, requested_by=CALLER, started_at=NOW)
        self.resends["r1"] = resend
        return resend

    def show_resend(self, resend_id, **_):
        """Show a resend as it is after the next of `steps`."""
        resend = self.resends.get(resend_id)
        if resend is None:
            return absent(f"There is no resend {resend_id!r}, or it is over 90 days old.")
        if self.steps:
            resend |= self.steps.pop(0)
        return resend

    def cancel_resend(self, resend_id, **_):
        resend = self.resends[resend_id]
        return resend if resend["status"] == "complete" else resend | {"status": "cancelled"}

    def open_tail(self, **_):
        return {"tail_id": "1764504000-0a1b2c3d", "open_until": NOW, "events": []}

    def take_tailed_events(self, tail_id, **_):
        """Return the next of `tailed`; then a person presses Ctrl-C."""
        if not self.tailed:
            raise KeyboardInterrupt
        events = self.tailed.pop(0)
        if events is None:
            return absent(f"There is no tail {tail_id!r}, or its hour is over.")
        return {"tail_id": tail_id, "open_until": NOW, "events": events}

    def close_tail(self, tail_id, **_):
        return {"tail_id": tail_id}

    def owe_full_load(self, company_id, product, **_):
        return {"company_id": company_id, "product": product, "owed_at": NOW}

    def owe_full_loads(self, product, **_):
        return {"company_id": None, "product": product, "owed_at": NOW}

    def show_status(self, **_):
        return self.status

    # ---- refreshes -----------------------------------------------------------------------------
    def refresh(self, company_id, product=None, body=None, **_):
        if product == "lending":
            return refused(409, "Codat's refresh does not serve its standard products.")
        data_types = (body or {}).get("data_types")
        ticket = a_ticket(company_id, product, data_types=data_types)
        self.tickets[company_id, product] = ticket
        return ticket

    def show_refresh(self, company_id, product=None, **_):
        """Show a ticket as it is after the next of `steps`."""
        ticket = self.tickets.get((company_id, product))
        if ticket is None:
            return absent("No refresh of it was ever asked for.")
        if self.steps:
            ticket |= self.steps.pop(0)
        return ticket

    def cancel_refresh(self, company_id, product, **_):
        if (company_id, product) not in self.tickets:
            return absent("No refresh of it was ever asked for.")
        ticket = self.tickets[company_id, product]
        if ticket["next_attempt_at"] is None:  # it is closed
            return ticket
        return ticket | {"status": "cancelled", "next_attempt_at": None}

    def refresh_product(self, product, **_):
        return {"product": product, "run": NOW}

    ROUTES = (
        ("POST", "/companies/{company_id}/products/{product}/refresh", refresh),
        ("GET", "/companies/{company_id}/products/{product}/refresh", show_refresh),
        ("DELETE", "/companies/{company_id}/products/{product}/refresh", cancel_refresh),
        ("POST", "/companies/{company_id}/refresh", refresh),
        ("GET", "/companies/{company_id}/refresh", show_refresh),
        ("POST", "/products/{product}/refresh", refresh_product),
        ("GET", "/reconciles", list_reconciles),
        ("POST", "/reconciles", start_reconcile),
        ("GET", "/reconciles/{reconcile_id}", show_reconcile),
        ("GET", "/freshness", list_freshness),
        ("POST", "/replays", start_replay),
        ("GET", "/replays/{replay_id}", show_replay),
        ("POST", "/resends", start_resend),
        ("GET", "/resends/{resend_id}", show_resend),
        ("DELETE", "/resends/{resend_id}", cancel_resend),
        ("POST", "/tails", open_tail),
        ("POST", "/tails/{tail_id}/events", take_tailed_events),
        ("DELETE", "/tails/{tail_id}", close_tail),
        ("POST", "/companies/{company_id}/products/{product}/full-load", owe_full_load),
        ("POST", "/products/{product}/full-load", owe_full_loads),
        ("GET", "/status", show_status),
        ("GET", "/products", list_products),
        ("PUT", "/products", apply_products),
        ("GET", "/products/{product}", show_product),
        ("DELETE", "/products/{product}", unregister_product),
        ("GET", "/companies", list_companies),
        ("POST", "/companies", create_company),
        ("GET", "/companies/{company_id}", show_company),
        ("PUT", "/companies/{company_id}/products/{product}", add_product),
        ("DELETE", "/companies/{company_id}/products/{product}", remove_product),
        ("GET", "/companies/{company_id}/consents", list_consents),
        ("PUT", "/companies/{company_id}/consents/{product}", grant),
        ("DELETE", "/companies/{company_id}/consents/{product}", revoke),
    )


def absent(detail):
    return refused(404, detail)


def whole(product):
    """Return a product with every field, as the API does."""
    names = ("name", "schedule", "team", "consent_text_version")
    schedule = product.get("schedule")
    if schedule:
        schedule = {"timezone": "UTC", "enabled": True} | schedule
    return dict.fromkeys(names) | {"data_types": []} | product | {"schedule": schedule}


def a_company(company_id, name, **members):
    company = {"company_id": company_id, "name": name, "linked": True, "deleted_at": None,
               "products": [], "connections": [], "assignments": [],
               "last_read_at": None}  # fmt: skip
    return company | members


def a_run(reconcile_id, companies):
    return {"reconcile_id": reconcile_id, "status": "running", "phase": "companies",
            "requested_by": CALLER, "requested_at": NOW, "started_at": NOW, "finished_at": None,
            "waiting_until": None, "counts": {"companies": 0}, "companies_at_codat": companies,
            "drift": {}, "mended": 0, "unsafe": 0, "resumed": 0, "error": None}  # fmt: skip


def a_drift(kind, severity, **members):
    drift = {"kind": kind, "severity": severity, "company_id": None, "product": None,
             "subject": None, "detail": f"about {kind}", "mended": False, "means": "…",
             "to_do": f"do something about {kind}"}  # fmt: skip
    return drift | members


def a_freshness(company_id, product, **members):
    freshness = {"company_id": company_id, "company_name": "Bakery", "product": product,
                 "status": "assigned", "linked": True, "consent": True, "last_read_at": NOW,
                 "outcomes": {"Complete": 3}, "unsuccessful": [], "watermark_at": NOW,
                 "cadence_seconds": 3600, "due_at": NOW, "overdue": False,
                 "overdue_seconds": None}  # fmt: skip
    return freshness | members


def a_ticket(company_id, product, **members):
    ticket = {"company_id": company_id, "product": product, "status": "queued", "attempts": 0,
              "opened_at": NOW, "next_attempt_at": NOW, "deadline": NOW, "accepted_at": None,
              "slot": None, "requested_by": CALLER, "data_types": None, "waits_for": None,
              "error": None}  # fmt: skip
    return ticket | members


def a_replay(replay_id):
    return {"replay_id": replay_id, "status": "queued", "requested_by": CALLER,
            "requested_at": NOW, "updated_at": NOW, "counts": {}, "error": None}  # fmt: skip


def a_resend(resend_id, body, **members):
    resend = {"resend_id": resend_id, **body, "status": "starting", "requested_by": None,
              "started_at": None, "ended_at": None, "reached": None, "reason": None,
              "events_at_most": None}  # fmt: skip
    return resend | members


def a_status(**members):
    client = {"bound_to": None, "confirmed": False, "reported": None, "checked_at": None}
    status = {"environment": "local", "client": client, "products": [], "consumers": [],
              "integrations": [], "as_of": None, "last_reconcile": None,
              "calls_barred_until": None, "calls_stopped": None}  # fmt: skip
    return status | members


def shown(company):
    """Return a company as a list has it."""
    return {name: member for name, member in company.items()
            if name not in {"assignments", "last_read_at"}}  # fmt: skip


def change_of(before, after):
    if before is None or after is None:
        return "added" if before is None else "removed"
    return "unchanged" if before == after else "changed"


def documented(method, path):
    operation = DOCUMENT["paths"].get(path, {}).get(method.lower())
    assert operation, f"the API has no {method} {path}"
    return operation


def success(operation):
    return min(
        (int(status) for status in operation["responses"] if status.startswith("2")), default=200
    )


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
