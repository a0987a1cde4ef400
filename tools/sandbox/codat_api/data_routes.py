"""Codat's API: refreshing data, its status and history, and the records themselves."""

from tools.sandbox.codat_api.company_routes import company_of
from tools.sandbox.http.exchange import Answer, Call
from tools.sandbox.reads import data
from tools.sandbox.requests.errors import invalid_request
from tools.sandbox.requests.paging import page_of
from tools.sandbox.runtime import Sandbox
from tools.sandbox.settings import sync_settings


def refresh_all(sandbox: Sandbox, call: Call) -> Answer:
    """POST /companies/{companyId}/data/all."""
    data.refresh_all(sandbox.world, company_of(sandbox, call))
    return Answer(204)


def refresh_data_type(sandbox: Sandbox, call: Call) -> Answer:
    """POST /companies/{companyId}/data/queue/{dataType}?connectionId=."""
    company = company_of(sandbox, call)
    only = call.query.get("connectionId")
    queued = data.refresh_type(sandbox.world, company, call.params["data_type"], only)
    return Answer(200, queued)


def data_status(sandbox: Sandbox, call: Call) -> Answer:
    """GET /companies/{companyId}/dataStatus."""
    return Answer(200, data.statuses(sandbox.world, company_of(sandbox, call)))


def history(sandbox: Sandbox, call: Call) -> Answer:
    """GET /companies/{companyId}/data/history."""
    listing = data.history(sandbox.world, company_of(sandbox, call))
    return Answer(200, page_of(listing, call.path, call.query))


def history_entry(sandbox: Sandbox, call: Call) -> Answer:
    """GET /companies/{companyId}/data/history/{datasetId}."""
    company = company_of(sandbox, call)
    return Answer(200, data.history_entry(sandbox.world, company, call.params["dataset_id"]))


def validation(sandbox: Sandbox, call: Call) -> Answer:
    """GET /companies/{companyId}/sync/{datasetId}/validation."""
    company = company_of(sandbox, call)
    return Answer(200, data.validation(company, call.params["dataset_id"]))


def company_data(sandbox: Sandbox, call: Call) -> Answer:
    """GET /companies/{companyId}/data/{…}."""
    return _found(
        data.of_company(sandbox.world, company_of(sandbox, call), call.params["kind"]), call
    )


def financials(sandbox: Sandbox, call: Call) -> Answer:
    """GET /companies/{companyId}/data/financials/{…}?periodLength=&periodsToCompare=."""
    for name in ("periodLength", "periodsToCompare"):
        if not call.query.get(name, "").isdecimal():
            raise invalid_request(f"{name} must be a whole number.")
    path = f"financials/{call.params['kind']}"
    return _found(data.of_company(sandbox.world, company_of(sandbox, call), path), call)


def connection_data(sandbox: Sandbox, call: Call) -> Answer:
    """GET /companies/{companyId}/connections/{connectionId}/data/{…}."""
    company = company_of(sandbox, call)
    params = call.params
    found = data.of_connection(sandbox.world, company, params["connection_id"], params["kind"])
    return _found(found, call)


def bank_transactions(sandbox: Sandbox, call: Call) -> Answer:
    """GET …/connections/{connectionId}/data/bankAccounts/{accountId}/bankTransactions."""
    company = company_of(sandbox, call)
    params = call.params
    listing = data.of_account(sandbox.world, company, params["connection_id"], params["account_id"])
    return _found(listing, call)


def _found(found: data.Found, call: Call) -> Answer:
    whole = found if isinstance(found, dict) else page_of(found, call.path, call.query)
    return Answer(200, whole)


def get_client_settings(sandbox: Sandbox, _: Call) -> Answer:
    """GET /profile/syncSettings."""
    return Answer(200, sync_settings.client_view(sandbox.world))


def set_client_settings(sandbox: Sandbox, call: Call) -> Answer:
    """POST /profile/syncSettings."""
    sync_settings.set_client(sandbox.world, call.json_object())
    return Answer(204)


def get_company_settings(sandbox: Sandbox, call: Call) -> Answer:
    """GET /companies/{companyId}/syncSettings."""
    return Answer(200, sync_settings.company_view(sandbox.world, company_of(sandbox, call)))


def set_company_settings(sandbox: Sandbox, call: Call) -> Answer:
    """POST /companies/{companyId}/syncSettings."""
    company = company_of(sandbox, call)
    sync_settings.set_company(sandbox.world, company, call.json_object())
    return Answer(204)
