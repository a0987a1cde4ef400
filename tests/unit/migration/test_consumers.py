from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.migration.domain.consumers import (
    Consumer,
    carried,
    hub_consumer_of,
    is_old,
    migration_in,
    shown,
    wanted,
)
from codat_hub.webhooks.hub_address import HubAddress
from codat_hub.webhooks.signing_secret import is_consumer

HUB = "https://hub.example/webhooks/codat"
ADDRESS = HubAddress(HUB, "api")
ID = "m-20261122-101500-ab12cd"


def consumer(url="https://old.example/hook", *types, number="1", tags=(), disabled=False):
    return Consumer(number, url, types, tags, disabled)


class TestOld:
    @pytest.mark.parametrize(
        "event_type",
        [
            "read.completed",
            "read.completed.initial",
            "read.completed.successful.initial",
            "DataSyncCompleted",
            "DatasetDataChanged",
            "DataSyncStatusChangedToError",
            "NewCompanySynchronized",
            "SyncCompleted",
            "SyncFailed",
        ],
    )
    def test_a_client_level_read_makes_a_consumer_old(self, event_type):
        assert is_old(consumer("https://x.example", "company.created", event_type))

    @pytest.mark.parametrize(
        "event_type",
        [
            "invoice-finance.read.completed",
            "company.created",
            "bills.write.successful",
            "read.comp",
        ],
    )
    def test_anything_else_does_not(self, event_type):
        assert not is_old(consumer("https://x.example", event_type))

    @pytest.mark.parametrize(
        "url", [f"{HUB}/standard?migration={ID}", f"{HUB}/a?b=c&migration={ID}"]
    )
    def test_one_that_a_migration_created_never_is(self, url):
        assert migration_in(url) == ID
        assert not is_old(consumer(url, "read.completed"))

    def test_a_likeness_of_the_mark_is_not_one(self):
        assert migration_in("https://x.example/?premigration=m-1") is None
        assert migration_in("https://x.example/migration=m-1") is None

    def test_what_it_carries_besides(self):
        types = ("read.completed", "connection.created", "DataSyncCompleted", "company.created")
        assert carried(consumer("https://x", *types)) == ("connection.created", "company.created")


def make(old=(), present=(), custom=(), standard=False):
    present = [*present, *old]
    return wanted(ID, old, present, custom=custom, standard=standard, hub=ADDRESS)


class TestWanted:
    def test_each_custom_product_and_the_standard_ones_get_a_consumer_of_the_hub(self):
        made = make(custom=("lending-plus", "Cash.Flow"), standard=True)
        assert [(consumer.hub_consumer, consumer.event_types) for consumer in made] == [
            ("lending-plus", ("lending-plus.read.completed",)),
            ("cash-flow", ("Cash.Flow.read.completed",)),
            ("standard", ("read.completed",)),
        ]
        assert all(
            consumer.url == f"{HUB}/{consumer.hub_consumer}?migration={ID}" for consumer in made
        )

    def test_one_that_the_hub_has_already_is_not_created_again(self):
        present = consumer(f"{HUB}/a", "a.read.completed", number="9")
        assert make(present=[present], custom=("a",)) == ()

    @pytest.mark.parametrize(
        "present",
        [
            consumer(f"{HUB}/a", "a.read.completed", disabled=True),
            consumer(f"{HUB}/a", "a.read.completed", tags=("region:uk",)),
            consumer("https://elsewhere.example/a", "a.read.completed"),
        ],
    )
    def test_but_one_that_is_off_filtered_or_elsewhere_does_not_count(self, present):
        assert len(make(present=[present], custom=("a",))) == 1

    def test_a_successor_keeps_url_types_and_tags(self):
        old = consumer(
            "https://o.example/h?a=b", "read.completed", "company.created", tags=("region:uk",)
        )
        (made,) = make(old=[old])
        assert made.url == f"https://o.example/h?a=b&migration={ID}"
        assert (made.event_types, made.tags) == (("company.created",), ("region:uk",))
        assert made.hub_consumer is None
        assert (made.name, made.is_successor) == ("successor-1", True)

    def test_a_consumer_for_a_product_is_no_successor(self):
        (made,) = make(custom=("lending",))
        assert (made.name, made.is_successor) == ("product-lending", False)

    def test_a_successor_at_the_hub_keeps_its_name_there(self):
        old = consumer(f"{HUB}/platform", "read.completed", "company.created")
        (made,) = make(old=[old])
        assert made.hub_consumer == "platform"

    def test_an_old_one_without_anything_else_has_no_successor(self):
        assert make(old=[consumer("https://o.example", "read.completed")]) == ()

    def test_a_long_name_is_cut_and_a_taken_one_is_numbered(self):
        made = make(custom=("a" * 80, "a" * 81, "b", "B", "§"))
        names = [consumer.hub_consumer for consumer in made]
        assert names == ["a" * 60, f"{'a' * 58}-2", "b", "b-2", "product"]
        assert all(consumer.tags == () for consumer in made)

    @given(st.lists(st.text(min_size=1, max_size=80), unique=True, max_size=5))
    def test_names_at_the_hub_are_valid_and_different(self, products):
        made = make(custom=products)
        names = [consumer.hub_consumer for consumer in made]
        assert all(map(is_consumer, names))
        assert len(set(names)) == len(names)
        assert all(migration_in(consumer.url) == ID for consumer in made)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (f"{HUB}/platform", "platform"),
        (f"{HUB}/platform?migration={ID}", "platform"),
        ("https://else.example/platform", None),
        (f"{HUB}/Not-A-Name", None),
        (HUB, None),
    ],
)
def test_the_hubs_own_consumers_are_told_from_others(url, name):
    assert hub_consumer_of(url, ADDRESS) == name


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://x.example/a/b", "https://x.example/a/b"),
        ("https://user:secret@x.example:8443/a", "https://x.example:8443/a"),
        ("https://x.example/a?token=secret#part", "https://x.example/a?…"),
        (f"https://x.example/?token=secret&migration={ID}", f"https://x.example/?migration={ID}"),
    ],
)
def test_an_address_is_shown_without_a_credential(url, text):
    assert shown(url) == text


def test_a_consumer_is_enabled_and_has_no_filter_unless_codat_says_so():
    assert Consumer("1", "https://x.example", ()) == Consumer(
        "1", "https://x.example", (), (), False
    )


def test_the_ledger_keeps_a_consumer_as_json():
    known = Consumer("1", "https://x.example", ("a.b", "c.d"), ("region:uk",), disabled=True)
    saved = {**asdict(known), "event_types": ["a.b", "c.d"], "tags": ["region:uk"]}
    assert Consumer.from_ledger(saved) == known


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"consumer_id": "2", "event_types": ("c.d", "a.b")}, True),
        ({"url": "https://y.example"}, False),
        ({"event_types": ("a.b",)}, False),
        ({"tags": ()}, False),
        ({"disabled": True}, False),
        ({"disabled": False}, True),
    ],
)
def test_two_consumers_are_the_same_if_they_get_the_same_events(change, same):
    known = Consumer("1", "https://x.example", ("a.b", "c.d"), ("region:uk",))
    assert known.same_as(replace(known, **change)) is same
