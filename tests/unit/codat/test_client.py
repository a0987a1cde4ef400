"""The client over a fake transport: its values, its refusals, its pages."""

import contextlib
import json
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.codat import errors
from codat_hub.codat.adapters import pages
from codat_hub.codat.adapters.api_key import GivenKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.transport import Timeouts, Transport, new_http
from codat_hub.codat.domain.quota import Quota

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def client(answer, **options):
    http = httpx.Client(transport=httpx.MockTransport(answer))
    return CodatClient(Transport(http, GivenKey("key"), now=lambda: NOON, **options))


def answering(status, content=None, **headers):
    return client(lambda _: httpx.Response(status, json=content, headers=headers))


def companies_page(number, of, results=None):
    links = {"self": {"href": "/companies"}, "current": {"href": "/companies"}}
    if number < of:
        links["next"] = {"href": "https://elsewhere.example/companies?page=9"}
    found = [{"id": f"c{number}-{n}"} for n in range(2)] if results is None else results
    return httpx.Response(200, json={"results": found, "_links": links})


def test_every_answer_has_its_status_and_the_quota():
    answer = answering(
        202, **{"X-Rate-Limit-Limit": "2000", "X-Rate-Limit-Remaining": "1999"}
    ).refresh_product("c1", "lending")

    assert (answer.value, answer.status, answer.quota) == (None, 202, Quota(2000, 1999))


def test_each_call_is_admitted_before_it_leaves():
    happened = []

    def answer(_):
        happened.append("left")
        return httpx.Response(204)

    codat = client(answer, admit=lambda: happened.append("admitted"))
    codat.add_product("c1", "lending")
    codat.remove_product("c1", "lending")
    assert happened == ["admitted", "left"] * 2


def test_a_call_that_is_held_back_does_not_leave():
    def hold_back():
        raise errors.RateLimited("no room")

    codat = client(lambda _: pytest.fail("it left"), admit=hold_back)
    with pytest.raises(errors.RateLimited) as held:
        codat.client_id()
    assert held.value.held_back


def test_pages_are_walked_by_number_while_there_is_a_next_and_only_on_codats_host():
    asked = []

    def answer(request):
        asked.append(request.url)
        return companies_page(int(request.url.params["page"]), of=3)

    found = [company.id for company in client(answer).companies(query="a=b", order_by="-created")]

    assert found == ["c1-0", "c1-1", "c2-0", "c2-1", "c3-0", "c3-1"]
    assert {url.host for url in asked} == {"api.codat.io"}
    assert [url.params["page"] for url in asked] == ["1", "2", "3"]
    assert {url.params["pageSize"] for url in asked} == {"100"}
    assert {(url.params["query"], url.params["orderBy"]) for url in asked} == {("a=b", "-created")}


def test_a_page_is_not_asked_for_before_its_first_result_is_wanted():
    asked = []

    def answer(request):
        asked.append(request.url.params["page"])
        return companies_page(int(request.url.params["page"]), of=9)

    found = client(answer).companies()
    assert asked == []
    next(found), next(found)
    assert asked == ["1"]


def test_an_empty_page_with_a_next_one_ends_in_an_error_not_early_and_not_never():
    pages = iter([companies_page(1, of=2, results=[]), companies_page(2, of=2)])
    walk = client(lambda _: next(pages)).companies()
    with pytest.raises(errors.NotUnderstood, match="page 1 is empty"):
        next(walk)


def numbered(number, **facts):
    links = {"next": {"href": "/companies?page=2"}} if facts.pop("more", True) else {}
    content = {"results": [{"id": "c"}], "_links": links, "pageNumber": number, **facts}
    return httpx.Response(200, json=content)


def test_a_server_that_always_gives_its_first_page_is_asked_twice_only():
    walk = client(lambda _: numbered(1, pageSize=100, totalResults=1)).companies()
    assert next(walk).id == "c"
    with pytest.raises(errors.NotUnderstood, match="asked for page 2, got page 1"):
        next(walk)


def test_a_server_with_always_one_more_page_is_asked_to_its_announced_total_only():
    def answer(request):
        return numbered(int(request.url.params["page"]), pageSize=2, totalResults=5)

    found = []
    with pytest.raises(errors.NotUnderstood, match=r"page 5 .* beyond the announced total"):
        found.extend(client(answer).companies())


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"pageSize": 0, "totalResults": 9},
        {"totalResults": 1},
        {"pageSize": 1, "totalResults": 10**400},
    ],
)
def test_a_server_that_announces_no_usable_total_is_asked_a_bounded_number_of_times(
    monkeypatch, facts
):
    monkeypatch.setattr(pages, "MOST_PAGES", 4)
    with pytest.raises(errors.NotUnderstood, match="page 4 "):
        list(client(lambda r: numbered(int(r.url.params["page"]), **facts)).companies())


def test_a_total_that_grows_on_the_way_is_walked_to_its_end():
    def answer(request):
        number = int(request.url.params["page"])
        return numbered(number, pageSize=1, totalResults=number, more=number < 20)

    assert len(list(client(answer).companies())) == 20


def test_an_empty_last_page_is_the_end():
    assert list(client(lambda _: companies_page(1, of=1, results=[])).companies()) == []


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("<html>Sign in</html>", "body"),
        ('{"results": []}', "_links"),
        ('{"results": {"name": "Secret Bakery"}, "_links": {}}', "results"),
        ("[1, 2]", "body"),
        ("", "body"),
        ("null", "body"),
        ("[" * 100_000, "body"),
    ],
)
def test_a_200_of_another_shape_is_named_with_its_place_and_without_its_data(content, where):
    broken = client(lambda _: httpx.Response(200, text=content))
    with pytest.raises(errors.NotUnderstood) as caught:
        broken.companies_page()

    assert where in caught.value.error
    assert "Secret Bakery" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert caught.value.status == 200


def test_a_200_of_another_shape_keeps_the_correlation_id_if_there_is_one():
    with pytest.raises(errors.NotUnderstood) as caught:
        answering(200, {"correlationId": "abc123"}).company("c1")
    assert caught.value.correlation_id == "abc123"


@given(st.binary())
def test_any_body_of_a_200_is_read_or_not_understood(body):
    fed = client(lambda _: httpx.Response(200, content=body))
    for call in (fed.companies_page, fed.webhook_consumers, lambda: fed.data_status("c1")):
        with contextlib.suppress(errors.NotUnderstood):
            call()


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_call_without_an_answer_succeeds_by_any_2xx_that_is_empty_or_json(status):
    assert answering(status).add_product("c1", "lending").status == status
    assert answering(status, {"ok": True}).remove_product("c1", "lending").status == status


def test_a_sign_in_page_is_no_success_of_a_call_without_an_answer():
    page = client(lambda _: httpx.Response(200, html="<html>Sign in</html>"))
    with pytest.raises(errors.NotUnderstood, match="not JSON"):
        page.refresh_product("c1", "lending")


def test_a_redirect_is_not_followed():
    asked = []

    def answer(request):
        asked.append(request.url)
        return httpx.Response(307, headers={"Location": "https://elsewhere.example/"})

    with pytest.raises(errors.NotUnderstood):
        client(answer).company("c1")
    assert len(asked) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda codat: codat.company("../webhooks"),
        lambda codat: codat.add_product("c1", ".."),
        lambda codat: codat.refresh_product("c1", "a/b"),
        lambda codat: codat.refresh_product("c1", "lending", []),
        lambda codat: codat.delete_webhook_consumer(""),
        lambda codat: codat.companies_page(query="x" * 3000),
        lambda codat: codat.refresh_data_type("c1", "bills", connection_id="\ud800"),
    ],
)
def test_a_call_that_must_not_be_sent_is_permanent_and_not_sent(call):
    def never(request):
        raise AssertionError(f"sent {request.url}")

    with pytest.raises(errors.Permanent) as caught:
        call(client(never))
    assert caught.value.status is None


def test_the_key_goes_without_user_name_or_colon_and_posts_alone_carry_an_idempotency_key():
    sent = []

    def answer(request):
        sent.append(request)
        return httpx.Response(204)

    codat = client(answer)
    codat.refresh_product("c1", "lending", ["invoices"], idempotency_key="0b7e")
    codat.refresh_all("c1")
    codat.add_product("c1", "lending")

    assert {request.headers["authorization"] for request in sent} == {"Basic a2V5"}
    assert [request.headers.get("idempotency-key") for request in sent] == ["0b7e", None, None]
    assert [request.headers.get("content-type") for request in sent] == [
        "application/json",
        None,
        None,
    ]
    assert json.loads(sent[0].content) == {"dataTypes": ["invoices"]}


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX: y", "ä", "k" * 256])
def test_an_idempotency_key_that_is_no_header_value_is_a_fault_of_the_caller(key):
    with pytest.raises(ValueError, match="visible ASCII"):
        answering(202).refresh_product("c1", "lending", idempotency_key=key)


def test_products_go_with_a_new_company_only_when_given():
    sent = []

    def answer(request):
        sent.append(json.loads(request.content))
        return httpx.Response(200, json={"id": "c1", "name": "Bakery", "products": []})

    codat = client(answer)
    codat.create_company("Bakery")
    codat.create_company("Bakery", description="", tags={"a": "b"}, products=["lending"])

    assert sent == [
        {"name": "Bakery"},
        {"name": "Bakery", "description": "", "tags": {"a": "b"}, "products": ["lending"]},
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://api.codat.io",
        "http://127.0.0.1.example.com",
        "https://user:pass@api.codat.io",
        "https://api.codat.io/?x=1",
        "ftp://api.codat.io",
        "api.codat.io",
        "",
    ],
)
def test_the_key_is_never_pointed_at_clear_text_or_nonsense(url):
    with pytest.raises(ValueError, match="base URL"):
        Transport(httpx.Client(), GivenKey("key"), base_url=url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/", "http://[::1]:1", "http://localhost"])
def test_a_sandbox_on_this_machine_may_speak_plain_http(url):
    Transport(httpx.Client(), GivenKey("key"), base_url=url)


def test_a_path_in_the_base_url_is_kept():
    asked = []

    def answer(request):
        asked.append(str(request.url))
        return httpx.Response(204)

    client(answer, base_url="https://proxy.example/codat/").add_product("c1", "lending")
    assert asked == ["https://proxy.example/codat/companies/c1/products/lending"]


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("no route"),
        httpx.ConnectTimeout("too slow"),
        httpx.ReadTimeout("too slow"),
        httpx.WriteError("broken pipe"),
        httpx.RemoteProtocolError("what?"),
        httpx.ProxyError("no"),
    ],
)
def test_any_break_on_the_way_leaves_the_outcome_unknown(failure):
    def answer(_):
        raise failure

    with pytest.raises(errors.OutcomeUnknown, match=type(failure).__name__) as caught:
        client(answer).refresh_product("c1", "lending")
    assert str(failure) in caught.value.error
    assert caught.value.status is None


def test_connect_and_read_have_their_own_timeouts_with_any_http_client():
    seen = []

    def answer(request):
        seen.append(request.extensions["timeout"])
        return httpx.Response(204)

    client(answer, timeouts=Timeouts(connect=1.5, read=7)).add_product("c1", "lending")
    assert seen == [{"connect": 1.5, "read": 7, "write": 7, "pool": 7}]


def test_cookies_are_not_kept_between_calls():
    http = new_http()
    request = httpx.Request("GET", "https://api.codat.io/companies")
    http.cookies.extract_cookies(
        httpx.Response(200, headers={"Set-Cookie": "affinity=1; Path=/"}, request=request)
    )
    assert not http.cookies


ODD_COMPANIES = [
    '{"id": "odd", "name": 7}',
    '{"id": "odd", "tags": {"k": 1}}',
    '{"id": "odd", "products": "lending"}',
    '{"id": "odd", "created": 5}',
    '{"id": "odd", "name": "half a \\ud83d"}',
    '{"id": "odd", "name": "\x00"}',
    '{"id": "odd", "products": {"a": ' + "[" * 300 + "]" * 300 + "}}",
    '{"id": "odd", "lastSync": ' + "9" * 5000 + "}",
    '{"id": "odd", "dataConnections": 5}',
    '{"id": "../odd"}',
    '{"name": "Secret Bakery"}',
    "null",
    "[]",
]


@pytest.mark.parametrize("odd", ODD_COMPANIES)
def test_one_unreadable_company_costs_itself_and_not_the_page(odd):
    content = f'{{"results": [{{"id": "c1"}}, {odd}, {{"id": "c2"}}], "_links": {{}}}}'
    page = client(lambda _: httpx.Response(200, text=content)).companies_page().value

    readable = [company.id for company in page.results]
    odd_ones = [company.id for company in page.unreadable]
    name_only = odd == '{"id": "odd", "name": "\x00"}'
    assert readable == (["c1", "odd", "c2"] if name_only else ["c1", "c2"])
    if not name_only:
        assert odd_ones == ["odd" if '"odd"' in odd else None]
        assert "Bakery" not in page.unreadable[0].fault


def test_bytes_that_are_no_utf8_cost_their_company_only():
    content = b'{"results": [{"id": "c1"}, {"id": "c2", "name": "\xff\xfe"}], "_links": {}}'
    page = client(lambda _: httpx.Response(200, content=content)).companies_page().value
    assert ([company.id for company in page.results], page.unreadable[0].id) == (["c1"], "c2")


def test_a_list_that_breaks_off_is_refused_as_a_whole():
    broken = client(lambda _: httpx.Response(200, text='{"results": [{"id": "c1"}'))
    with pytest.raises(errors.NotUnderstood):
        broken.companies_page()


def test_one_odd_setting_hides_neither_the_client_nor_the_other_schedules():
    settings = [
        {"dataType": "bills", "syncSchedule": None},
        {"dataType": "items", "syncSchedule": 4},
    ]
    odd = answering(200, {"clientId": "o1", "settings": settings, "overridesDefaults": "yes?"})
    assert odd.client_id() == "o1"
    odd = answering(200, {"clientId": "o1", "settings": settings})
    bills, items = odd.client_schedules().value.settings
    assert (bills.fault, items.sync_schedule) == ("syncSchedule: int_type", 4)
    with pytest.raises(errors.NotUnderstood):
        odd.client_sync_settings()


def test_one_odd_consumer_connection_read_or_status_costs_itself():
    consumers = [{"id": "w1", "url": "https://[odd"}, {"id": "w2", "url": "https://x"}]
    found = answering(200, {"results": consumers}).webhook_consumers().value
    assert ([known.id for known in found.results], found.unreadable[0].id) == (["w2"], "w1")

    connections = [{"id": "d1"}, {"id": "d2", "status": "Linked"}]
    page = answering(200, {"results": connections, "_links": {}}).connections_page("c1").value
    assert ([known.id for known in page.results], page.unreadable[0].id) == (["d2"], "d1")

    reads = [{"id": "r1", "status": 5}]
    page = answering(200, {"results": reads, "_links": {}}).history_page("c1").value
    assert (page.results, page.unreadable[0].id) == ((), "r1")

    statuses = {"bills": {"currentStatus": 5}, "items": {"currentStatus": "Complete"}}
    known = answering(200, statuses).data_status("c1").value.root
    assert (known["bills"].fault, known["items"].current_status) == (
        "currentStatus: string_type",
        "Complete",
    )
