"""Each request of the client is the same as that of Codat's SDK, compared over a real socket.

Allowed to differ: User-Agent, Accept-Encoding, Connection (ours compresses and keeps alive), and
the SDK's Content-Type on a refresh without a body. The SDK has no `products` on a new company.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from codat_platform import CodatPlatform
from codat_platform.models import shared
from codat_platform.utils.retries import RetryConfig

from codat_hub.codat.adapters.api_key import GivenKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.models import ClientSyncSettings, CompanySyncSettings
from codat_hub.codat.adapters.transport import Transport, new_http
from tests.support.codat.wire import Wire, reply

ID = "8a210b68-6988-11ed-a1eb-0242ac120002"
QUERY = "status!=Complete&&name~O'Brien & söhne"
SETTINGS = [
    {
        "dataType": "invoices",
        "fetchOnFirstLink": True,
        "syncSchedule": 24,
        "syncOrder": 0,
        "syncFromUtc": "2020-01-01T12:00:00.000Z",
        "monthsToSync": 24,
        "isLocked": True,
    },
    {"dataType": "bills", "fetchOnFirstLink": False, "syncSchedule": 0, "syncOrder": 1},
]
CLIENT_SETTINGS = {"clientId": ID, "settings": SETTINGS, "overridesDefaults": True}
COMPANY_SETTINGS = {"companyId": ID, "settings": SETTINGS, "overridesDefaults": False}
PAGE = {"page": 3, "page_size": 100, "query": QUERY, "order_by": "-created"}
KEY = "52a7c3f4-1c1a-4a1d-8a3c-3d3c0b6b7f10"
KEY_HEADER = {"Idempotency-Key": KEY}
CONSUMER = {
    "url": "https://example.com/hook?a=b",
    "event_types": ["read.completed", "lending-uk.read.completed"],
    "disabled": True,
    "company_tags": ["region:uk"],
}

# name: (the client's call, the SDK's call)
CALLS = {
    "companies page": (
        lambda our: our.companies_page(3, query=QUERY, order_by="-created"),
        lambda sdk: sdk.companies.list(request=PAGE),
    ),
    "first companies page": (
        lambda our: our.companies_page(),
        lambda sdk: sdk.companies.list(),
    ),
    "company": (
        lambda our: our.company(ID),
        lambda sdk: sdk.companies.get(request={"company_id": ID}),
    ),
    "create company": (
        lambda our: our.create_company(
            "O'Brien söhne", description="new", tags={"a": "b"}, idempotency_key=KEY
        ),
        lambda sdk: sdk.companies.create(
            request={"name": "O'Brien söhne", "description": "new", "tags": {"a": "b"}},
            http_headers=KEY_HEADER,
        ),
    ),
    "add product": (
        lambda our: our.add_product(ID, "lending-uk.v2"),
        lambda sdk: sdk.companies.add_product(
            request={"company_id": ID, "product_identifier": "lending-uk.v2"}
        ),
    ),
    "remove product": (
        lambda our: our.remove_product(ID, "a+b:c&d"),
        lambda sdk: sdk.companies.remove_product(
            request={"company_id": ID, "product_identifier": "a+b:c&d"}
        ),
    ),
    "refresh product": (
        lambda our: our.refresh_product(ID, "lending-uk.v2", idempotency_key=KEY),
        lambda sdk: sdk.companies.refresh_product_data(
            request={"company_id": ID, "product_identifier": "lending-uk.v2"},
            http_headers=KEY_HEADER,
        ),
    ),
    "refresh some data types of a product": (
        lambda our: our.refresh_product(ID, "lending", ["invoices", "payments"]),
        lambda sdk: sdk.companies.refresh_product_data(
            request={
                "company_id": ID,
                "product_identifier": "lending",
                "request_body": {"data_types": ["invoices", "payments"]},
            }
        ),
    ),
    "connections": (
        lambda our: our.connections_page(ID, 2, query="status=Linked"),
        lambda sdk: sdk.connections.list(
            request={"company_id": ID, "page": 2, "query": "status=Linked"}
        ),
    ),
    "client sync settings": (
        lambda our: our.client_sync_settings(),
        lambda sdk: sdk.settings.get_sync_settings(),
    ),
    "client schedules": (
        lambda our: our.client_schedules(),
        lambda sdk: sdk.settings.get_sync_settings(),
    ),
    "company schedules": (
        lambda our: our.company_schedules(ID),
        lambda sdk: sdk.companies.get_company_sync_settings(request={"company_id": ID}),
    ),
    "set client sync settings": (
        lambda our: our.set_client_sync_settings(
            ClientSyncSettings.model_validate(CLIENT_SETTINGS), idempotency_key=KEY
        ),
        lambda sdk: sdk.settings.update_sync_settings(
            request=CLIENT_SETTINGS, http_headers=KEY_HEADER
        ),
    ),
    "company sync settings": (
        lambda our: our.company_sync_settings(ID),
        lambda sdk: sdk.companies.get_company_sync_settings(request={"company_id": ID}),
    ),
    "set company sync settings": (
        lambda our: our.set_company_sync_settings(
            CompanySyncSettings.model_validate(COMPANY_SETTINGS)
        ),
        lambda sdk: sdk.companies.set_company_sync_settings(
            request={"company_id": ID, "request_body": COMPANY_SETTINGS}
        ),
    ),
    "data status": (
        lambda our: our.data_status(ID),
        lambda sdk: sdk.refresh_data.get(request={"company_id": ID}),
    ),
    "history": (
        lambda our: our.history_page(ID, 3, query=QUERY, order_by="-created"),
        lambda sdk: sdk.refresh_data.list_pull_operations(request={"company_id": ID, **PAGE}),
    ),
    "refresh all": (
        lambda our: our.refresh_all(ID, idempotency_key=KEY),
        lambda sdk: sdk.refresh_data.all(request={"company_id": ID}, http_headers=KEY_HEADER),
    ),
    "refresh data type": (
        lambda our: our.refresh_data_type(ID, "banking-accounts", connection_id=ID),
        lambda sdk: sdk.refresh_data.by_data_type(
            request={"company_id": ID, "data_type": "banking-accounts", "connection_id": ID}
        ),
    ),
    "refresh data type of all connections": (
        lambda our: our.refresh_data_type(ID, "invoices"),
        lambda sdk: sdk.refresh_data.by_data_type(
            request={"company_id": ID, "data_type": "invoices"}
        ),
    ),
    "webhook consumers": (
        lambda our: our.webhook_consumers(),
        lambda sdk: sdk.webhooks.list_consumers(),
    ),
    "create webhook consumer": (
        lambda our: our.create_webhook_consumer(**CONSUMER),
        lambda sdk: sdk.webhooks.create_consumer(request=CONSUMER),
    ),
    "delete webhook consumer": (
        lambda our: our.delete_webhook_consumer(ID),
        lambda sdk: sdk.webhooks.delete_consumer(request={"webhook_id": ID}),
    ),
}
COMPARED_HEADERS = ("authorization", "accept", "content-length", "idempotency-key")


@pytest.fixture(scope="module")
def wire():
    with Wire() as server:
        server.script = reply(404, {"error": "only the request matters"})
        yield server


@pytest.mark.parametrize("name", CALLS)
def test_the_request_is_the_same_as_the_sdks(wire, name):
    ours, theirs = CALLS[name]
    mine = _request(wire, lambda: ours(_our_client(wire)))
    sdks = _request(wire, lambda: theirs(_sdk(wire)))

    assert (mine.method, mine.path) == (sdks.method, sdks.path)
    assert mine.query == sdks.query
    assert mine.body == sdks.body
    for header in COMPARED_HEADERS:
        if header != "content-length" or not mine.content:
            assert mine.headers.get(header) == sdks.headers.get(header)
    if mine.content:
        assert mine.headers["content-type"] == sdks.headers["content-type"]


def test_every_call_of_the_client_is_compared():
    calls = {name for name in vars(CodatClient) if not name.startswith("_")}
    walks = {"companies", "connections", "history", "client_id"}  # made of the calls above
    silent = {"key_version", "forget_key"}
    used = {name for ours, _ in CALLS.values() for name in ours.__code__.co_names if name in calls}
    assert used == calls - walks - silent


def _our_client(wire: Wire) -> CodatClient:
    return CodatClient(Transport(new_http(), GivenKey("key"), base_url=wire.url))


def _sdk(wire: Wire) -> CodatPlatform:
    return CodatPlatform(
        security=shared.Security(auth_header="Basic a2V5"),
        server_url=wire.url,
        retry_config=RetryConfig(strategy="none"),
    )


def _request(wire, call):
    before = len(wire.requests)
    with suppress(Exception):  # Both end in a 404, each of its own kind.
        call()
    assert len(wire.requests) == before + 1, "one request each, no retries"
    return wire.requests[-1]
