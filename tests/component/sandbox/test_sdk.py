"""Codat's own Python SDK uses the sandbox without a validation error."""

import base64

import pytest
from codat_platform import CodatPlatform
from codat_platform.models import errors, operations, shared
from codat_platform.utils.retries import RetryConfig

from tests.support.sandbox.running import eventually, running

UNLINKED = {"status": "Unlinked"}


@pytest.fixture(scope="module")
def sandbox():
    with running("--companies", 20, "--failing-share", 0, "--read-seconds", 0.2) as process:
        yield process


@pytest.fixture(scope="module")
def sdk(sandbox):
    return client_of(sandbox, sandbox.ready["api_key"])


def client_of(sandbox, key):
    encoded = base64.b64encode(key.encode()).decode()
    return CodatPlatform(
        security=shared.Security(auth_header=f"Basic {encoded}"),
        server_url=sandbox.ready["url"],
        retry_config=RetryConfig(strategy="none"),
    )


@pytest.fixture
def company(sandbox, sdk):
    """Create a company with a linked ledger."""
    made = sdk.companies.create(request={"name": "Made by the SDK", "tags": {"a": "b"}})
    sandbox.portal(f"/companies/{made.id}/link", platformKey="gbol")
    return made


def test_the_sdk_creates_finds_changes_and_deletes_companies(sdk):
    page = sdk.companies.list(request=operations.ListCompaniesRequest(page=1, page_size=5))
    assert (len(page.results), page.total_results >= 20) == (5, True)
    made = sdk.companies.create(request={"name": "New", "description": "d"})
    assert sdk.companies.get(request={"company_id": made.id}).name == "New"
    replaced = sdk.companies.replace(
        request={"company_id": made.id, "company_request_body": {"name": "Replaced"}}
    )
    assert (replaced.name, replaced.description) == ("Replaced", None)
    updated = sdk.companies.update(
        request={"company_id": made.id, "company_update_request": {"description": "again"}}
    )
    assert updated.description == "again"
    sdk.companies.delete(request={"company_id": made.id})
    with pytest.raises(errors.ErrorMessage) as gone:
        sdk.companies.get(request={"company_id": made.id})
    assert gone.value.status_code == 404


def test_the_sdk_adds_refreshes_and_removes_products(sandbox, sdk, company):
    target = {"company_id": company.id, "product_identifier": "invoice-finance"}
    sandbox.portal(
        "/clock", speed=0.001
    )  # so slow that the first read still runs when it is asked for
    sdk.companies.add_product(request=target)
    with pytest.raises(errors.ErrorMessage) as busy:
        sdk.companies.refresh_product_data(request=target)
    sandbox.portal("/clock", speed=1)
    assert busy.value.status_code == 400
    assert "read operation is in progress" in busy.value.data.error

    def refreshed():
        try:
            sdk.companies.refresh_product_data(
                request=target | {"request_body": {"data_types": ["payments"]}}
            )
        except errors.ErrorMessage:
            return False
        return True

    eventually(refreshed)
    sdk.companies.remove_product(request=target)
    assert sdk.companies.get(request={"company_id": company.id}).products == []


def test_the_sdk_lists_and_cuts_connections(sdk, company):
    page = sdk.connections.list(request={"company_id": company.id})
    target = {"company_id": company.id, "connection_id": page.results[0].id}
    assert sdk.connections.get(request=target).status.value == "Linked"
    unlinked = sdk.connections.unlink(request=target | {"update_connection_status": UNLINKED})
    assert unlinked.status.value == "Unlinked"
    made = sdk.connections.create(
        request={"company_id": company.id, "request_body": {"platform_key": "bnkp"}}
    )
    sdk.connections.delete(request={"company_id": company.id, "connection_id": made.id})


def test_the_sdk_reads_and_replaces_sync_settings(sdk, company):
    before = sdk.settings.get_sync_settings()
    sdk.settings.update_sync_settings(
        request={
            "client_id": before.client_id,
            "settings": before.settings,
            "overrides_defaults": True,
        }
    )
    assert sdk.settings.get_sync_settings() == before
    own = sdk.companies.get_company_sync_settings(request={"company_id": company.id})
    body = {"company_id": company.id, "settings": own.settings[:2], "overrides_defaults": True}
    sdk.companies.set_company_sync_settings(
        request={"company_id": company.id, "request_body": body}
    )
    own = sdk.companies.get_company_sync_settings(request={"company_id": company.id})
    assert (len(own.settings), own.overrides_defaults) == (2, True)


def test_the_sdk_refreshes_data_and_reads_its_history(sdk, company):
    eventually(lambda: sdk.refresh_data.get(request={"company_id": company.id}).invoices)
    target = {"company_id": company.id, "data_type": "invoices"}

    def idle():
        status = sdk.refresh_data.get(request={"company_id": company.id})
        return status.invoices.current_status.value == "Complete"

    eventually(idle)
    queued = sdk.refresh_data.by_data_type(request=target)
    assert queued.data_type == "invoices"
    sdk.refresh_data.all(request={"company_id": company.id})
    history = sdk.refresh_data.list_pull_operations(request={"company_id": company.id})
    assert queued.id in {operation.id for operation in history.results}
    operation = {"company_id": company.id, "dataset_id": queued.id}
    assert sdk.refresh_data.get_pull_operation(request=operation).id == queued.id
    assert sdk.read_data.get_validation_results(request=operation).errors == []


def test_the_sdk_creates_lists_and_deletes_webhook_consumers(sdk):
    made = sdk.webhooks.create_consumer(
        request={"url": "https://hub.example/x", "event_types": ["read.completed"]}
    )
    assert made.id in {consumer.id for consumer in sdk.webhooks.list_consumers().results}
    sdk.webhooks.delete_consumer(request={"webhook_id": made.id})
    assert made.id not in {consumer.id for consumer in sdk.webhooks.list_consumers().results}


def test_a_wrong_key_is_an_error_message_of_the_sdk(sandbox):
    with pytest.raises(errors.ErrorMessage) as refused:
        client_of(sandbox, "wrong").companies.list()
    assert refused.value.status_code == 401
