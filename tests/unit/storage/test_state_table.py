"""What the State table asks of DynamoDB; the component test shows that DynamoDB answers so."""

from decimal import Decimal
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from codat_hub.errors import NeverProjected, Unavailable
from codat_hub.storage.items import ItemKey, Listed, Stored
from codat_hub.storage.state_table import StateTable

KEY, OTHER = ItemKey("p", "s"), ItemKey("p", "t")
RAW = {"pk": {"S": "p"}, "sk": {"S": "s"}}
ITEM = {**RAW, "version": {"N": "3"}, "name": {"S": "x"}, "gsi1pk": {"S": "g"}}


class Refused(ClientError):
    """A condition of one write did not hold."""


class Cancelled(ClientError):
    """A transaction did not go through."""


def refused(code, kind=ClientError, *reasons):
    answer = {"Error": {"Code": code}, "CancellationReasons": [{"Code": why} for why in reasons]}
    return kind(answer, "Any")


class Client:
    """Gives the next answer, or raises it; `asked`: each request with its operation."""

    exceptions = SimpleNamespace(
        ConditionalCheckFailedException=Refused, TransactionCanceledException=Cancelled
    )

    def __init__(self):
        self.answers, self.asked = [], []

    def __getattr__(self, operation):
        def call(**request):
            self.asked.append((operation, request))
            answer = self.answers.pop(0) if self.answers else {}
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def get_paginator(self, operation):
        def paginate(**request):
            self.asked.append((operation, request))
            for answer in self.answers:
                if isinstance(answer, Exception):
                    raise answer
                yield answer

        return SimpleNamespace(paginate=paginate)


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def table(client):
    return StateTable(client, "state")


def asked(client):
    ((operation, request),) = client.asked
    assert request.pop("TableName") == "state"
    return operation, request


class TestReads:
    def test_an_item_is_read_consistently_and_without_its_keys(self, client, table):
        client.answers = [{"Item": ITEM}]
        assert table.get(KEY) == Stored({"name": "x"}, 3)
        assert asked(client) == ("get_item", {"Key": RAW, "ConsistentRead": True})

    @pytest.mark.parametrize("version", [{}, {"version": {"S": "three"}}])
    def test_an_item_that_is_absent_or_has_no_version_is_of_version_0(self, client, table, version):
        client.answers = [{"Item": {**RAW, **version}} if version else {}]
        assert table.get(KEY) == Stored({}, 0)

    def test_many_items_are_read_consistently_a_hundred_at_a_time(self, client, table):
        keys = [ItemKey("p", f"{number:03}") for number in range(150)]
        found = {**RAW, "sk": {"S": "007"}, "version": {"N": "1"}}
        client.answers = [
            {"Responses": {"state": [found]}, "UnprocessedKeys": {}},
            {"Responses": {}, "UnprocessedKeys": {}},
        ]
        assert table.get_many([*keys, keys[0]]) == {keys[7]: Stored({}, 1)}
        requests = [request["RequestItems"]["state"] for _, request in client.asked]
        assert [len(request["Keys"]) for request in requests] == [100, 50]
        assert requests[0]["Keys"][7] == {"pk": {"S": "p"}, "sk": {"S": "007"}}
        assert all(request["ConsistentRead"] for request in requests)

    def test_keys_that_are_left_over_are_asked_for_again(self, client, table):
        left_over = {"state": {"Keys": [RAW]}}
        client.answers = [
            {"Responses": {}, "UnprocessedKeys": left_over},
            {"Responses": {"state": [ITEM]}, "UnprocessedKeys": {}},
        ]
        assert table.get_many([KEY]) == {KEY: Stored({"name": "x"}, 3)}
        assert client.asked[1][1]["RequestItems"]["state"]["Keys"] == [RAW]

    def test_a_part_of_a_partition_is_read_page_by_page(self, client, table):
        client.answers = [{"Items": [ITEM]}, {"Items": [{**ITEM, "sk": {"S": "t"}}]}]
        assert [key for key, _ in table.under(KEY)] == [KEY, OTHER]
        operation, request = asked(client)
        assert (operation, request["ConsistentRead"]) == ("query", True)
        assert request["KeyConditionExpression"] == "pk = :pk AND begins_with(sk, :prefix)"
        assert request["ExpressionAttributeValues"] == {":pk": {"S": "p"}, ":prefix": {"S": "s"}}

    @pytest.mark.parametrize(("sk", "after"), [("s", "s"), ("", " ")])
    def test_the_next_keys_of_a_partition(self, client, table, sk, after):
        client.answers = [{"Items": [RAW]}]
        assert table.page(ItemKey("p", sk), 7) == [KEY]
        assert asked(client) == (
            "query",
            {
                "KeyConditionExpression": "pk = :pk AND sk > :after",
                "ExpressionAttributeValues": {":pk": {"S": "p"}, ":after": {"S": after}},
                "ProjectionExpression": "pk, sk",
                "ConsistentRead": True,
                "Limit": 7,
            },
        )


def place(rank, sk="s"):
    return {"gsi1sk": {"S": rank}, "pk": {"S": "p"}, "sk": {"S": sk}}


class TestIndex:
    @pytest.mark.parametrize(
        ("bounds", "values"),
        [({}, (" ", "\U0010ffff")), ({"after": "b", "up_to": "d"}, ("b", "d"))],
    )
    def test_a_group_is_listed_by_rank(self, client, table, bounds, values):
        client.answers = [{"Items": [place("b"), place("c", "t"), place("d")]}]
        found = table.listed("group", limit=2, **bounds)
        expected = [("b", KEY), ("c", OTHER), ("d", KEY)]
        assert found == (expected[1:] if bounds else expected[:2])
        operation, request = asked(client)
        assert (operation, request["IndexName"], request["Limit"]) == ("query", "gsi1", 3)
        assert request["ExpressionAttributeValues"] == {
            ":group": {"S": "group"},
            ":after": {"S": values[0]},
            ":up_to": {"S": values[1]},
        }

    @pytest.mark.parametrize("up_to", ["a", "b"])
    def test_nothing_is_asked_for_between_no_ranks(self, client, table, up_to):
        assert table.listed("group", after="b", up_to=up_to) == []
        assert client.asked == []

    @pytest.mark.parametrize("before", [None, "c"])
    def test_the_latest_come_first(self, client, table, before):
        client.answers = [{"Items": [place("b"), place("a")]}]
        assert table.latest("group", before=before, limit=2) == [("b", KEY), ("a", KEY)]
        operation, request = asked(client)
        assert (operation, request["ScanIndexForward"], request["Limit"]) == ("query", False, 2)
        values = {":group": {"S": "group"}} | ({":before": {"S": before}} if before else {})
        assert request["ExpressionAttributeValues"] == values
        condition = "gsi1pk = :group" + (" AND gsi1sk < :before" if before else "")
        assert (request["KeyConditionExpression"], request["IndexName"]) == (condition, "gsi1")

    def test_a_hundred_come_at_once_unless_asked_otherwise(self, client, table):
        client.answers = [{"Items": []}, {"Items": []}]
        table.listed("group")
        table.latest("group")
        assert [request["Limit"] for _, request in client.asked] == [101, 100]


class TestWrites:
    def test_a_new_item_must_not_exist(self, client, table):
        assert table.put(KEY, {"name": "x", "gone": None}, 0) is True
        assert asked(client) == (
            "put_item",
            {
                "Item": {**RAW, "name": {"S": "x"}, "version": {"N": "1"}},
                "ConditionExpression": "attribute_not_exists(pk)",
            },
        )

    def test_an_item_must_have_the_version_that_was_read(self, client, table):
        assert table.put(KEY, {"number": Decimal(1)}, 3, Listed("group", "rank"))
        _, request = asked(client)
        assert request["Item"] == {
            **RAW,
            "number": {"N": "1"},
            "version": {"N": "4"},
            "gsi1pk": {"S": "group"},
            "gsi1sk": {"S": "rank"},
        }
        assert request["ConditionExpression"] == "version = :read"
        assert request["ExpressionAttributeValues"] == {":read": {"N": "3"}}

    def test_a_lost_race_is_no_error(self, client, table):
        client.answers = [refused("ConditionalCheckFailedException", Refused)]
        assert table.put(KEY, {}, 3) is False

    def test_an_item_that_dynamodb_never_takes_is_told_from_a_bad_moment(self, client, table):
        client.answers = [refused("ValidationException"), refused("ThrottlingException")]
        with pytest.raises(NeverProjected, match="DynamoDB refuses the item"):
            table.put(KEY, {}, 3)
        with pytest.raises(Unavailable, match="the state was not written"):
            table.put(KEY, {}, 3)

    def test_an_item_is_deleted(self, client, table):
        table.delete(KEY)
        assert asked(client) == ("delete_item", {"Key": RAW})


@pytest.mark.parametrize(
    "fault", [refused("AccessDeniedException"), ConnectTimeoutError(endpoint_url="x")]
)
@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda table: table.get(KEY), "read"),
        (lambda table: table.get_many([KEY]), "read"),
        (lambda table: table.under(KEY), "read"),
        (lambda table: table.page(KEY, 10), "read"),
        (lambda table: table.listed("group"), "read"),
        (lambda table: table.latest("group"), "read"),
        (lambda table: table.delete(KEY), "written"),
        (lambda table: table.put(KEY, {}, 1), "written"),
        (lambda table: table.put_while(OTHER, 2, [(KEY, {}, 0)]), "written"),
    ],
)
def test_a_call_that_failed_never_passes_as_done(client, table, fault, call, what):
    client.answers = [fault]
    with pytest.raises(Unavailable, match=f"the state was not {what}"):
        call(table)


class TestTransactions:
    def put(self, table):
        return table.put_while(OTHER, 2, [(KEY, {"name": "x"}, 0)])

    def test_all_items_are_written_while_the_guard_has_its_version(self, client, table):
        assert self.put(table) is True
        ((operation, request),) = client.asked
        check, put = request["TransactItems"]
        assert operation == "transact_write_items"
        assert check["ConditionCheck"] == {
            "TableName": "state",
            "Key": {"pk": {"S": "p"}, "sk": {"S": "t"}},
            "ConditionExpression": "version = :read",
            "ExpressionAttributeValues": {":read": {"N": "2"}},
        }
        assert put["Put"]["Item"] == {**RAW, "name": {"S": "x"}, "version": {"N": "1"}}

    @pytest.mark.parametrize("other", ["None", "TransactionConflict"])
    def test_a_version_that_changed_is_no_error(self, client, table, other):
        client.answers = [refused("x", Cancelled, other, "ConditionalCheckFailed")]
        assert self.put(table) is False
        assert len(client.asked) == 1

    def test_a_conflict_with_another_transaction_is_tried_again(self, client, table):
        conflict = refused("x", Cancelled, "None", "TransactionConflict")
        client.answers = [conflict] * 7
        assert self.put(table) is True
        client.answers = [conflict] * 8
        with pytest.raises(Unavailable, match="other transactions keep coming first"):
            self.put(table)

    def test_another_reason_is_a_bad_moment(self, client, table):
        client.answers = [refused("x", Cancelled, "TransactionConflict", "ThrottlingError")]
        with pytest.raises(Unavailable):
            self.put(table)
        assert len(client.asked) == 1
