"""`hub companies` and `hub consents`: lists of any length, and no product without a consent."""

import json
import uuid

import httpx
import pytest

from tests.support.control_api import refused, whole

PRODUCT = whole({"product": "a", "kind": "custom", "data_types": ["invoices", "payments"],
                 "consent_text_version": "7"})  # fmt: skip


@pytest.fixture
def company(api):
    api.products["a"] = dict(PRODUCT)
    api.products["lending"] = whole({"product": "lending", "kind": "standard"})
    return api.seed(1)[0]


def test_without_companies_it_says_how_to_learn_them(hub):
    answer = hub("companies", "list")
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert "tools/hub reconcile start --env local" in answer.stderr
    assert json.loads(hub("companies", "list", "--json").stdout) == []


def test_a_filter_that_matches_nothing_is_not_reported_as_an_empty_hub(hub, api, company):
    answer = hub("companies", "list", "--product", "nobody-has-it")
    assert "No company in local matches. List all: tools/hub companies list" in answer.stderr


def test_thousands_of_companies_are_listed_whole_in_a_table_and_in_json(hub, api):
    api.seed(5_000, products=["lending", "invoice-finance"])
    table = hub("companies", "list")
    assert len(table.stdout.splitlines()) == 5_001
    assert "5000 companies" in table.stderr
    listed = json.loads(hub("companies", "list", "--json").stdout)
    assert [company["company_id"] for company in listed] == list(api.companies)


def test_the_filters_are_the_apis(hub, api, company):
    def no_answer(_method, _path):
        return httpx.Response(200, json={"companies": [], "next_cursor": None})

    api.before = no_answer
    seen = []
    api.before = lambda method, path: seen.append(path) or no_answer(method, path)
    words = ["--product", "a", "--status", "assigned", "--name", "Bakery & Co", "--unlinked"]
    assert hub("companies", "list", *words, "--deleted").exit_code == 0
    assert seen == ["/companies"]


def test_a_wrong_filter_is_the_apis_problem_by_field(hub, api):
    problem = {"field": "status", "value": "none", "message": "is of a product"}
    api.before = lambda *_: refused(400, "The request is not valid.", problem)
    answer = hub("companies", "list", "--status", "none")
    assert (answer.exit_code, 'status = "none": is of a product' in answer.stderr) == (1, True)
    assert hub("companies", "list", "--json").stdout == "["  # never a whole list


def test_a_company_is_shown_with_what_it_has(hub, api, company):
    api.companies[company]["connections"] = [
        {"connection_id": "c1", "status": "Linked", "integration": "gbol", "source_type": None}
    ]
    api.assign(api.companies[company], "a", "assigned")
    shown = hub("companies", "show", company).stdout
    for text in (company, "c1", "gbol", "assigned", "arn:aws:iam"):
        assert text in shown
    assert json.loads(hub("companies", "show", company, "--json").stdout)["products"] == ["a"]
    unknown = hub("companies", "show", "nobody")
    assert (unknown.exit_code, "no company nobody" in unknown.stderr) == (1, True)


def test_a_company_is_created_with_tags_and_products_that_are_agreed_to(hub, api, company):
    words = [
        "--tag",
        "region=uk",
        "--tag",
        "x=a=b",
        "--product",
        "a",
        "--consent-by",
        "o@x.example",
    ]
    answer = hub("companies", "create", "Bakery", *words, "--json")
    assert answer.exit_code == 0, answer.output
    created = json.loads(answer.stdout)
    ((_, body),) = api.sent("POST")
    assert body["tags"] == {"region": "uk", "x": "a=b"}
    consent = {"granted_by": "o@x.example", "text_version": "7",
               "data_types": ["invoices", "payments"]}  # fmt: skip
    assert body["consents"] == {"a": consent}
    assert api.companies[created["company_id"]]["products"] == ["a"]


@pytest.mark.parametrize("words", [["--product", "a"], ["--consent-by", "o@x.example"]])
def test_a_product_without_consent_or_a_consent_to_nothing_creates_no_company(hub, api, words):
    answer = hub("companies", "create", "Bakery", *words)
    assert (answer.exit_code, api.calls) == (2, [])
    assert "go together" in answer.stderr


def test_a_name_that_codat_changes_is_reported(hub, api):
    made = {"company_id": "c1", "name": "Smith UK Ltd", "link_url": None, "complete": True,
            "products": []}  # fmt: skip
    api.before = lambda *_: httpx.Response(201, json=made)
    answer = hub("companies", "create", "Smith (UK) Ltd")
    assert (answer.exit_code, "Codat stored the name 'Smith UK Ltd'" in answer.stderr) == (0, True)


def test_a_product_that_is_refused_is_reported_and_the_company_is_kept(hub, api, company):
    api.add_product = lambda *_: refused(409, "Product a is not on company x.")
    answer = hub("companies", "create", "Bakery", "--product", "a", "--consent-by", "o@x.example")
    (created,) = set(api.companies) - {company}
    assert answer.exit_code == 1
    assert f"Bakery has the id {created}." in answer.stdout
    assert "a: refused: Product a is not on company" in answer.stderr
    assert f"companies add-product {created} PRODUCT" in answer.stderr


@pytest.mark.parametrize("fault", ["timeout", "503", "ctrl-c"])
def test_a_creation_that_is_not_answered_is_finished_and_not_done_twice(hub, api, fault):
    def broken(method, _path):
        if method == "POST":
            match fault:
                case "timeout":
                    raise httpx.ReadTimeout("slow")
                case "ctrl-c":
                    raise KeyboardInterrupt
                case _:
                    return refused(503, "Unavailable.")
        return None

    api.before = broken
    answer = hub("companies", "create", "Bakery")
    assert answer.exit_code == (130 if fault == "ctrl-c" else 1)
    key = answer.stderr.partition("--key ")[2].partition(",")[0]
    assert uuid.UUID(key)
    keys = []
    api.before = None
    api.keys = keys
    assert hub("companies", "create", "Bakery", "--key", key).exit_code == 0
    assert keys == [key]


@pytest.mark.parametrize("tag", ["region", "=uk", ""])
def test_a_tag_has_a_key_and_a_value(hub, api, tag):
    answer = hub("companies", "create", "Bakery", "--tag", tag)
    assert (answer.exit_code, api.calls, "KEY=VALUE" in answer.stderr) == (2, [], True)


def test_from_refused_to_consent_to_added_to_revoked(hub, api, company):
    refusal = hub("companies", "add-product", company, "a")
    assert refusal.exit_code == 1
    assert 'data_types = "invoices": not covered by a consent' in refusal.stderr
    assert f"tools/hub consents grant {company} a --by EMAIL --env local" in refusal.stderr

    granted = hub("consents", "grant", company, "a", "--by", "o@x.example")
    assert granted.stdout.strip() == "o@x.example agreed to a, text 7: invoices, payments."
    assert f"companies add-product {company} a" in granted.stderr
    assert hub("companies", "add-product", company, "a").exit_code == 0
    assert api.companies[company]["products"] == ["a"]

    declined = hub("consents", "revoke", company, "a", "--reason", "asked", stdin="n\n")
    assert (declined.exit_code, api.companies[company]["products"]) == (1, ["a"])
    assert hub("consents", "revoke", company, "a", "--reason", "asked", "--yes").exit_code == 0
    assert (api.companies[company]["products"], api.reasons) == ([], ["asked"])
    listed = hub("consents", "list", company).stdout
    assert "revoked" in listed
    assert "o@x.example" in hub("consents", "list", company, "--history").stdout


def test_a_consent_to_fewer_types_or_another_text_is_recorded_as_given(hub, api, company):
    words = ["--by", "o", "--text-version", "6", "--data-type", "invoices"]
    answer = hub("consents", "grant", company, "a", *words, "--json")
    assert json.loads(answer.stdout)["data_types"] == ["invoices"]
    assert hub("consents", "grant", company, "a", *words).stderr.startswith("! customers now see 7")


def test_a_product_without_a_text_asks_which_one_it_was(hub, api, company):
    answer = hub("consents", "grant", company, "lending", "--by", "o")
    assert (answer.exit_code, "--text-version VERSION" in answer.stderr) == (2, True)
    assert api.consents == {}


def test_no_consents_yet_says_how_to_record_one(hub, api, company):
    answer = hub("consents", "list", company)
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert f"tools/hub consents grant {company} PRODUCT --by EMAIL --env local" in answer.stderr


def test_consents_of_an_unknown_company_are_not_an_empty_list(hub, api):
    answer = hub("consents", "list", "nobody")
    assert (answer.exit_code, "knows no company nobody" in answer.stderr) == (1, True)
    assert "consents grant" not in answer.stderr


@pytest.mark.parametrize(
    "words", [["companies", "remove-product", "{}", "a"], ["consents", "revoke", "{}", "a"]]
)
def test_a_removal_is_repeated_until_the_product_stays_removed(hub, api, company, words):
    hub("consents", "grant", company, "a", "--by", "o")
    hub("companies", "add-product", company, "a")
    api.unsettled = 3
    reason = ["--reason", "asked"]
    answer = hub(*(word.format(company) for word in words), *reason, "--yes", "--json")
    assert json.loads(answer.stdout)["status"] == "absent"
    assert len(api.sent("DELETE")) == 4


@pytest.mark.parametrize(
    "words", [["companies", "remove-product", "c", "a"], ["consents", "revoke", "c", "a"]]
)
def test_a_removal_that_codat_refuses_says_what_is_recorded_and_what_to_do(hub, api, words):
    detail = "Codat refuses the API key. The revocation is recorded. Repeat the request."
    api.before = lambda *_: refused(502, detail, correlation_id="c-1")
    answer = hub(*words, "--reason", "asked", "--yes")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr.splitlines() == [
        f"✗ {detail} (Codat's correlation id: c-1)",
        "Wait a moment, then give the same command again: repeating it is safe.",
    ]


def test_a_revocation_needs_a_reason(hub, api, company):
    assert hub("consents", "revoke", company, "a", "--yes").exit_code == 2
    assert api.sent("DELETE") == []


@pytest.mark.parametrize(
    "words",
    [
        ["companies", "create", "Bakery"],
        ["companies", "add-product", "c", "a"],
        ["companies", "remove-product", "c", "a", "--yes"],
        ["consents", "grant", "c", "a", "--by", "o", "--text-version", "1", "--data-type", "bills"],
        ["consents", "revoke", "c", "a", "--reason", "asked", "--yes"],
        ["refresh", "company", "c", "a"],
        ["refresh", "cancel", "c", "a", "--yes"],
        ["replay", "start", "--parked"],
        ["reconcile", "start"],
    ],
)
def test_in_prod_no_change_is_made_without_an_answer(hub, api, words):
    answer = hub(*words, env="prod")
    assert (answer.exit_code, api.calls) == (1, [])
    assert "Type 'prod' to go on" in answer.stderr
