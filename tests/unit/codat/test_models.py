"""Codat's answers are read leniently, except where that would hide something."""

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from codat_hub.codat.adapters.models import (
    ClientSyncSettings,
    CompanySyncSettings,
    DataStatuses,
    PullOperation,
    SyncSetting,
    WebhookConsumer,
    WireCompany,
    WireConnection,
    WirePage,
)
from tests.support import codat_spec


def page(**fields):
    links = {"self": {"href": "/companies"}, "current": {"href": "/companies?page=1"}}
    return {"results": [], "_links": links, "pageNumber": 1, "pageSize": 100} | fields


def test_unknown_fields_types_and_statuses_are_data():
    company = WireCompany.model_validate(
        {
            "id": "c1",
            "ownerUserIds": ["u1"],
            "dataConnections": [{"id": "d1", "status": "Hibernating", "mood": {"good": True}}],
        }
    )
    operation = PullOperation.model_validate(
        {"id": "p", "dataType": "crypto-wallets", "status": "Pondering", "requested": "2026-01-01"}
    )

    assert company.model_extra == {"ownerUserIds": ["u1"]}
    assert company.data_connections[0].status == "Hibernating"
    assert operation.data_type == "crypto-wallets"
    assert operation.status == "Pondering"


def test_a_company_that_does_not_name_its_products_is_not_one_without_products():
    assert WireCompany.model_validate({"id": "c1"}).products is None
    assert WireCompany.model_validate({"id": "c1", "products": []}).products == ()


def test_nulls_are_read_as_absent():
    company = WireCompany.model_validate(
        {"id": "c1", "description": None, "lastSync": None, "dataConnections": None}
    )
    consumer = WebhookConsumer.model_validate(
        {"id": "w", "url": "https://x", "disabled": None, "companyTags": None, "eventTypes": None}
    )

    assert (company.last_sync, company.data_connections) == (None, None)
    assert (consumer.disabled, consumer.company_tags, consumer.event_types) == (False, (), ())
    assert not consumer.complete, "its event types are not told"


def test_one_null_or_fraction_does_not_cost_the_whole_page():
    bakery = {
        "id": "c1",
        "tags": {"k": None, "region": "north"},
        "products": [None, "lending"],
        "dataConnections": [None, {"id": "d1", "status": None}],
    }
    [company] = (
        WirePage[WireCompany].model_validate_json(json.dumps(page(results=[bakery]))).results
    )
    operation = PullOperation.model_validate(
        {"id": "p", "dataType": "b", "status": "Fetching", "requested": "x", "progress": 33.5}
    )

    assert (company.tags, company.products) == ({"region": "north"}, None), "one is not told"
    assert [connection.status for connection in company.connections] == [None]
    assert company.unread == (
        "dataConnections: body: model_type",
        "dataConnections.status: null",
        "products: null",
    )
    assert operation.progress == 33.5


def test_settings_whose_override_is_null_have_codats_default_and_post_it():
    settings = ClientSyncSettings.model_validate(
        {"clientId": "o1", "settings": [], "overridesDefaults": None}
    )
    assert settings.wire() == {"clientId": "o1", "settings": [], "overridesDefaults": True}


@pytest.mark.parametrize("odd", [{"tags": {"k": 1}}, {"products": "lending"}, {"id": None}])
def test_a_value_of_another_type_is_refused_and_not_guessed(odd):
    with pytest.raises(ValidationError):
        WireCompany.model_validate({"id": "c1"} | odd)


def test_a_connection_without_a_status_is_refused():
    with pytest.raises(ValidationError):
        WireConnection.model_validate({"id": "d1"})


def test_a_date_keeps_its_text_and_is_a_moment():
    operation = PullOperation.model_validate_json(
        '{"id":"p","dataType":"bills","status":"Queued","requested":"2022-11-14T11:18:37.2798351Z"}'
    )

    assert operation.requested == "2022-11-14T11:18:37.2798351Z"
    assert operation.requested.moment == datetime(2022, 11, 14, 11, 18, 37, 279835, tzinfo=UTC)


def test_a_data_type_never_read_has_no_status_and_an_entry_may_be_null():
    statuses = DataStatuses.model_validate(
        {
            "invoices": {"dataType": "invoices", "currentStatus": "Complete"},
            "bills": {"dataType": "bills"},
            "items": None,
            "hologramss": {"dataType": "hologramss", "currentStatus": "Beaming"},
            "futureFlag": True,
        }
    ).root

    assert statuses["bills"].current_status is None
    assert statuses["items"] is None
    assert statuses["hologramss"].current_status == "Beaming"
    assert "futureFlag" not in statuses


@pytest.mark.parametrize("missing", ["results", "_links"])
def test_a_page_without_results_or_links_is_refused_and_not_taken_for_the_last(missing):
    content = page()
    del content[missing]
    with pytest.raises(ValidationError):
        WirePage[WireCompany].model_validate(content)


def test_a_page_knows_whether_there_is_a_next():
    links = page()["_links"] | {"next": {"href": "/companies?page=2"}}
    assert WirePage[WireCompany].model_validate(page(_links=links)).has_next
    assert not WirePage[WireCompany].model_validate(page()).has_next
    assert not WirePage[WireCompany].model_validate(page(_links=links | {"next": None})).has_next


SETTING = {
    "dataType": "invoices",
    "fetchOnFirstLink": True,
    "syncSchedule": 24,
    "syncOrder": 0,
    "syncFromUtc": "2020-01-01T12:00:00.0000000Z",
    "syncFromWindow": None,
    "isLocked": False,
    "newerField": {"kept": [1, None]},
}


def test_a_setting_goes_back_as_it_came_with_its_changes():
    setting = SyncSetting.model_validate_json(json.dumps(SETTING))

    assert setting.wire() == SETTING
    off = setting.model_copy(update={"sync_schedule": 0})
    assert off.wire() == SETTING | {"syncSchedule": 0}
    assert setting.sync_schedule == 24


@pytest.mark.parametrize(
    ("model", "owner"), [(ClientSyncSettings, "clientId"), (CompanySyncSettings, "companyId")]
)
def test_settings_are_posted_complete_with_their_owner(model, owner):
    content = {owner: "o1", "settings": [SETTING, SETTING | {"dataType": "new"}]}

    assert model.model_validate(content | {"overridesDefaults": False}).wire() == (
        content | {"overridesDefaults": False}
    )
    assert model.model_validate(content).wire() == content | {"overridesDefaults": True}


def test_link_urls_open_an_authorisation_so_no_repr_shows_them():
    company = WireCompany.model_validate({"id": "c1", "redirect": "https://link/secret-company"})
    connection = WireConnection.model_validate(
        {"id": "d1", "status": "Linked", "linkUrl": "https://link/secret-connection"}
    )
    assert "secret" not in repr(company) + repr(connection) + str(company) + str(connection)


@codat_spec.needs_spec
@pytest.mark.parametrize(
    ("schema", "model"),
    [
        ("SyncSetting", SyncSetting),
        ("PullOperation", PullOperation),
    ],
)
def test_the_samples_of_codats_specification_can_be_read(schema, model):
    for sample in codat_spec.published()["components"]["schemas"][schema]["examples"]:
        assert model.model_validate(sample).model_extra == {}


@codat_spec.needs_spec
@pytest.mark.parametrize(
    ("pointer", "model", "left_out"),
    [
        (["SyncSetting", "properties"], SyncSetting, set()),
        (["PullOperation", "properties"], PullOperation, set()),
        (["WebhookConsumer", "properties"], WebhookConsumer, set()),
        (
            ["Connection", "properties"],
            WireConnection,
            {"dataConnectionErrors", "connectionInfo"},
        ),
        (
            ["Company", "definitions", "companyDetails", "properties"],
            WireCompany,
            {"createdByUserName", "referenceParentCompany", "referenceSubsidiaryCompanies"},
        ),
    ],
)
def test_every_field_of_the_models_is_a_field_of_codats(pointer, model, left_out):
    found = codat_spec.published()["components"]["schemas"]
    for step in pointer:
        found = found[step]
    ours = {field.alias for field in model.model_fields.values()} - {"dataConnections"}
    assert ours == set(found) - left_out
