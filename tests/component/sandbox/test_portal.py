"""/_sandbox does what only the Portal, a customer or a test can do."""

import pytest

from tests.support.sandbox.checked_client import KEY, CheckedClient
from tools.sandbox.http.app import create_app
from tools.sandbox.options import Options, ProductsOnCreate
from tools.sandbox.runtime import Sandbox


@pytest.fixture
def consumer(client):
    body = {"url": "http://127.0.0.1:9/hook", "eventTypes": ["read.completed", "company.created"]}
    return client.post("/webhooks", json=body).json()


def deliveries(client):
    return client.get("/_sandbox/deliveries").json()


def test_the_portal_answers_to_this_machine_only(sandbox):
    app = create_app(sandbox)
    client = CheckedClient(app)
    client._transport.client = ("203.0.113.9", 40_000)
    assert client.get("/_sandbox/health").status_code == 403
    assert client.get("/").status_code == 403
    assert client.get("/companies", headers=KEY).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/_sandbox/clock", {"speed": "fast"}, "speed"),
        ("/_sandbox/clock", {}, "speed"),
        ("/_sandbox/faults", {"path": "(", "status": 500}, "path"),
        ("/_sandbox/faults", {"path": "x"}, "status"),
        ("/_sandbox/faults", {"path": "x", "status": 500, "tiems": 2}, "tiems"),
        ("/_sandbox/delivery", {"duplicateProbability": 2}, "duplicateProbability"),
        ("/_sandbox/webhooks/nope/enable", {}, "webhook id"),
        (
            "/_sandbox/reads/start",
            {"companyId": "{company}", "productIdentifier": "x"},
            "productIdentifier",
        ),
        (
            "/_sandbox/reads/complete",
            {"companyId": "{company}", "statuses": {"invoices": "Done"}},
            "statuses.invoices",
        ),
        ("/_sandbox/companies/{company}/link", {"platformKey": "zzzz"}, "platformKey"),
        ("/_sandbox/companies/{company}/relink", {}, "connectionId"),
    ],
)
def test_bad_input_is_refused_with_field_value_and_what_is_allowed(
    client, company, path, body, field
):
    filled = {key: company["id"] if value == "{company}" else value for key, value in body.items()}
    answer = client.post(path.replace("{company}", company["id"]), json=filled)
    assert answer.status_code in {404, 422}
    problem = answer.json()["problems"][0]
    assert problem["field"] == field
    assert problem.keys() == {"field", "value", "allowed"}
    assert field in answer.json()["error"]


def test_a_body_that_is_not_json_is_refused(client):
    assert client.post("/_sandbox/clock", content=b"{").json()["problems"][0]["allowed"] == "JSON"


def test_a_read_started_by_hand_holds_the_lock_until_it_is_completed_by_hand(
    client, company, advance
):
    refresh = f"/companies/{company['id']}/products/invoice-finance/refresh"
    target = {"companyId": company["id"], "productIdentifier": "invoice-finance"}
    assert client.post("/_sandbox/reads/start", json=target).status_code == 200
    advance(86_400)
    assert client.post(refresh).status_code == 400
    assert client.post("/_sandbox/reads/complete", json=target).json() == {"completed": 1}
    assert client.post(refresh).status_code == 202


def test_completing_without_a_running_read_does_nothing(client, company, consumer):
    target = {"companyId": company["id"], "productIdentifier": "invoice-finance"}
    assert client.post("/_sandbox/reads/complete", json=target).json() == {"completed": 0}
    assert deliveries(client) == []


def test_a_read_can_be_completed_in_error(client, company):
    body = {
        "url": "http://127.0.0.1:9/hook",
        "eventTypes": ["invoice-finance.read.completed.unsuccessful"],
    }
    client.post("/webhooks", json=body)
    target = {"companyId": company["id"], "productIdentifier": "invoice-finance"}
    client.post("/_sandbox/reads/start", json=target)
    client.post("/_sandbox/reads/complete", json=target | {"statuses": {"payments": "FetchError"}})
    entries = deliveries(client)[0]["event"]["payload"]["dataTypes"]
    statuses = {status["dataType"]: status["status"] for status in entries}
    assert statuses == {"invoices": "Complete", "payments": "FetchError", "customers": "Complete"}


def test_linking_sends_connection_events_then_an_initial_read_for_every_product(client, advance):
    types = [
        "connection.created",
        "connection.connected",
        "read.completed.initial",
        "invoice-finance.read.completed.initial",
        "invoice-finance.read.completed",
    ]
    client.post("/webhooks", json={"url": "http://127.0.0.1:9/hook", "eventTypes": types})
    company = client.post(
        "/companies", json={"name": "New", "products": ["invoice-finance"]}
    ).json()
    linked = client.post(f"/_sandbox/companies/{company['id']}/link", json={"platformKey": "gbol"})
    assert linked.json()["status"] == "Linked"
    advance(5)
    sent = [delivery for delivery in deliveries(client) if delivery["companyId"] == company["id"]]
    assert sorted(delivery["eventType"] for delivery in sent) == sorted(types)
    assert [delivery["eventType"] for delivery in sent[:2]] == types[:2]
    entries = next(
        delivery["event"]["payload"]["dataTypes"]
        for delivery in sent
        if delivery["eventType"] == "invoice-finance.read.completed"
    )
    assert [entry["recordsModified"] for entry in entries] == [False, False, False]
    assert client.get(f"/companies/{company['id']}/data/invoices").json()["totalResults"] > 0


def test_a_second_ledger_is_refused(client, company):
    path = f"/_sandbox/companies/{company['id']}/link"
    assert client.post(path, json={"platformKey": "gbol"}).status_code == 400
    assert client.post(path, json={"platformKey": "bnkp"}).status_code == 200


def test_cutting_and_relinking_send_disconnected_and_reconnected(client, company, events):
    types = ["connection.disconnected", "connection.reconnected", "connection.connected"]
    client.post("/webhooks", json={"url": "http://127.0.0.1:9/hook", "eventTypes": types})
    path = f"/_sandbox/companies/{company['id']}"
    ambiguous = client.post(f"{path}/unlink", json={"deauthorize": True})
    assert ambiguous.json()["problems"][0]["field"] == "connectionId"
    chosen = {"connectionId": company["dataConnections"][0]["id"]}
    cut = client.post(f"{path}/unlink", json=chosen | {"deauthorize": True}).json()
    assert (cut["status"], len(cut["dataConnectionErrors"])) == ("Deauthorized", 1)
    assert client.post(f"{path}/relink").json()["status"] == "Linked"
    assert events(company["id"]) == types[:2]


def test_the_portals_refresh_uses_client_level_settings_only(client, company, events, advance):
    body = {
        "url": "http://127.0.0.1:9/h",
        "eventTypes": ["read.completed", "invoice-finance.read.completed"],
    }
    client.post("/webhooks", json=body)
    assert client.post("/_sandbox/portal/refresh", json={"companyId": company["id"]}).json() == {
        "fetches": 8
    }
    advance(5)
    assert events(company["id"]) == ["read.completed"]
    settings = client.get("/profile/syncSettings").json()
    off = [setting | {"fetchOnFirstLink": False} for setting in settings["settings"]]
    client.post("/profile/syncSettings", json=settings | {"settings": off})
    assert client.post("/_sandbox/portal/refresh", json={"companyId": company["id"]}).json() == {
        "fetches": 0
    }


def test_every_event_type_has_an_example(client, consumer):
    types = client.get("/_sandbox/event-types").json()
    assert len(types) > 60
    assert "cashflow-insights.read.completed.unsuccessful" in types
    for event_type in types:
        answer = client.post(
            f"/_sandbox/webhooks/{consumer['id']}/example", json={"eventType": event_type}
        )
        assert answer.status_code == 200, event_type
    assert [delivery["eventType"] for delivery in deliveries(client)] == types
    unknown = client.post(f"/_sandbox/webhooks/{consumer['id']}/example", json={"eventType": "no"})
    assert unknown.status_code == 422


def test_any_event_can_be_sent_to_subscribers_or_to_one_consumer(client, consumer):
    client.post("/_sandbox/events", json={"eventType": "read.completed", "payload": {"a": 1}})
    client.post(
        "/_sandbox/events", json={"eventType": "other", "consumerId": consumer["id"], "copies": 3}
    )
    client.post("/_sandbox/events", json={"eventType": "nobody"})
    sent = deliveries(client)
    assert [delivery["eventType"] for delivery in sent] == [
        "read.completed",
        "other",
        "other",
        "other",
    ]
    assert len({delivery["webhookId"] for delivery in sent}) == 2
    assert sent[0]["event"]["payload"] == {"a": 1}


def test_events_that_a_disabled_consumer_missed_can_be_replayed_under_the_same_ids(
    client, consumer
):
    path = f"/_sandbox/webhooks/{consumer['id']}"
    client.post(f"{path}/disable")
    assert client.get("/webhooks").json()["results"][0]["disabled"] is True
    missed = client.post("/_sandbox/events", json={"eventType": "read.completed"}).json()
    assert deliveries(client) == []
    client.post(f"{path}/enable")
    replayed = client.post(f"{path}/replay", json={"since": "2020-01-01T00:00:00Z"}).json()
    assert replayed == {"replayed": 1, "webhookIds": [missed["webhookId"]]}


def test_secrets_are_shown_newest_first_and_survive_a_rotation(client, consumer):
    path = f"/_sandbox/webhooks/{consumer['id']}"
    first = client.get(f"{path}/secret").json()["secrets"]
    rotated = client.post(f"{path}/rotate").json()["secrets"]
    assert len(first) == 1
    assert first[0].startswith("whsec_")
    assert rotated[1:] == first


def test_a_fault_is_used_up(client):
    fault = {"method": "GET", "path": "^/companies$", "status": 503, "times": 2}
    assert client.post("/_sandbox/faults", json=fault).json() == {"waiting": 1}
    assert [client.get("/companies").status_code for _ in range(3)] == [503, 503, 200]
    client.post("/_sandbox/faults", json=fault)
    client.delete("/_sandbox/faults")
    assert client.get("/companies").status_code == 200


def test_a_connection_can_be_cut_before_or_after_the_request_is_carried_out(client):
    for when, found in (("before", 0), ("after", 1)):
        client.post(
            "/_sandbox/faults", json={"method": "POST", "path": "/companies", "reset": when}
        )
        with pytest.raises(ConnectionResetError):
            client.post("/companies", json={"name": f"Cut {when}"})
        page = client.get("/companies", params={"query": f"name=Cut {when}"}).json()
        assert page["totalResults"] == found


def test_requests_are_listed_with_rising_numbers(client):
    client.get("/companies?page=2")
    client.post("/webhooks", json={"url": "x"})
    first, second = client.get("/_sandbox/requests").json()
    assert (first["method"], first["path"], first["query"], first["status"]) == (
        "GET",
        "/companies",
        "page=2",
        200,
    )
    assert (second["body"], second["status"], second["n"]) == ({"url": "x"}, 400, first["n"] + 1)
    assert client.get(f"/_sandbox/requests?since={first['n']}").json() == [second]
    client.delete("/_sandbox/requests")
    client.get("/companies")
    assert [request["n"] for request in client.get("/_sandbox/requests").json()] == [
        second["n"] + 1
    ]
    client.post("/_sandbox/reset")
    client.get("/companies")
    assert [request["n"] for request in client.get("/_sandbox/requests").json()] == [
        second["n"] + 2
    ]


def test_a_reset_brings_back_the_seed_but_gives_out_new_message_ids(client, consumer):
    before = client.get("/companies").json()["results"][0]["id"]
    first = client.post("/_sandbox/events", json={"eventType": "x"}).json()["webhookId"]
    client.delete(f"/companies/{before}")
    client.post("/_sandbox/clock", json={"speed": 60})
    assert client.post("/_sandbox/reset").status_code == 200
    assert client.get("/companies").json()["results"][0]["id"] == before
    assert client.get("/webhooks").json() == {"results": []}
    assert client.get("/_sandbox/health").json()["speed"] == 1
    assert client.post("/_sandbox/events", json={"eventType": "x"}).json()["webhookId"] != first


def test_a_custom_product_can_be_set_up_with_a_schedule_of_its_own(
    client, company, advance, events
):
    definition = {"name": "Own", "dataTypes": ["invoices"], "syncSchedule": 2}
    assert client.put("/_sandbox/products/own-product", json=definition).status_code == 200
    assert client.put("/_sandbox/products/lending", json=definition).status_code == 422
    body = {"url": "http://127.0.0.1:9/h", "eventTypes": ["own-product.read.completed"]}
    client.post("/webhooks", json=body)
    client.put(f"/companies/{company['id']}/products/own-product")
    advance(7 * 3600)
    assert events(company["id"]) == ["own-product.read.completed"] * 4


def test_old_consumers_are_seeded_only_if_asked_for():
    sandbox = Sandbox(Options(companies=1, old_consumers_url="http://127.0.0.1:9/old"))
    old = CheckedClient(create_app(sandbox)).get("/webhooks").json()["results"]
    assert all("read.completed" in consumer["eventTypes"] for consumer in old)
    assert any("connection.connected" in consumer["eventTypes"] for consumer in old)
    assert [consumer.get("companyTags") for consumer in old] == [None, ["region:uk"]]


def test_the_state_shows_what_codat_knows(client, company):
    client.post(f"/companies/{company['id']}/products/invoice-finance/refresh")
    state = client.get("/_sandbox/state").json()
    first = state["companies"][0]
    assert state["counts"]["reads"] == 1
    assert first["reads"][0]["product"] == "invoice-finance"
    assert first["connections"][0]["status"] == "Linked"


@pytest.mark.parametrize(
    ("policy", "body", "status", "products"),
    [
        ("ignore", {"products": ["lending"]}, 200, []),
        ("require", {"products": ["lending"]}, 200, ["lending"]),
        ("require", {}, 400, None),
    ],
)
def test_an_option_decides_what_create_company_does_with_products(policy, body, status, products):
    options = Options(companies=0, products_on_create=ProductsOnCreate(policy))
    answer = CheckedClient(create_app(Sandbox(options))).post(
        "/companies", json={"name": "A", **body}
    )
    assert (answer.status_code, answer.json().get("products")) == (status, products)
