"""The inbox as an archive, on moto: webhooks by id and by the time they were received."""

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from codat_hub.errors import Unavailable
from codat_hub.product_events.adapters.inbox_archive import InboxArchive
from codat_hub.product_events.domain.replay import ReceivedBetween
from codat_hub.webhooks.inbox_table import InboxTable
from codat_hub.webhooks.webhook_event import Delivery, recognise
from tests.support.histories import PRODUCT, a_read, as_webhook, at

EVERYTHING = ReceivedBetween(at(0), at(1000))


@pytest.fixture
def inbox(dynamodb, inbox_table):
    """Return a function that stores events as received some hours after the start."""
    inbox = InboxTable(dynamodb, inbox_table, timedelta(days=45))

    def store(*events, hours=10.0):
        for event in events:
            webhook = as_webhook(event)
            delivery = Delivery(webhook.webhook_id, "lending", webhook.body, at(hours))
            assert inbox.store(delivery, recognise(webhook.body))

    return store


@pytest.fixture
def archive(dynamodb, inbox_table):
    return InboxArchive(dynamodb, inbox_table)


def ids(archive, received):
    webhooks, after = archive.page(received, None)
    assert after is None
    return {webhook.webhook_id for webhook in webhooks}


def test_a_webhook_is_found_by_id_as_it_was_stored(archive, inbox):
    inbox(a_read(1), hours=2.5)
    webhook = archive.get("msg-1")
    assert webhook.body == as_webhook(a_read(1)).body
    assert (webhook.quarantine, webhook.received_at) == (None, at(2.5))
    assert webhook.expires_at == at(2.5) + timedelta(days=45)
    assert archive.get("msg-2") is None


def test_webhooks_are_found_by_the_time_they_were_received(archive, inbox):
    for hour in (1, 2, 3):
        inbox(a_read(hour), hours=hour)
    assert ids(archive, ReceivedBetween(at(1), at(3))) == {"msg-1", "msg-2"}
    assert ids(archive, ReceivedBetween(at(3), at(4))) == {"msg-3"}


def test_webhooks_are_found_by_company_and_by_published_product(archive, inbox):
    inbox(a_read(1), a_read(2, product=None), a_read(3, product="standard"))
    inbox(a_read(4, company_id="other"))
    found = [
        ids(archive, ReceivedBetween(at(0), at(99), *narrowed))
        for narrowed in [("other",), (None, PRODUCT), (None, "standard"), ("other", "lending")]
    ]
    assert found == [{"msg-4"}, {"msg-1", "msg-4"}, {"msg-2", "msg-3"}, set()]


def test_pages_hold_each_webhook_once(archive, inbox):
    inbox(*(a_read(hour) for hour in range(250)))
    found, after = [], None
    while True:
        webhooks, after = archive.page(EVERYTHING, after)
        found += [webhook.webhook_id for webhook in webhooks]
        assert len(webhooks) <= 100
        if after is None:
            break
    assert sorted(found) == sorted(f"msg-{hour}" for hour in range(250))


def test_a_failing_table_is_unavailable(archive, dynamodb, monkeypatch):
    def fail(**_request):
        raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "Scan")

    monkeypatch.setattr(dynamodb, "scan", fail)
    monkeypatch.setattr(dynamodb, "get_item", fail)
    with pytest.raises(Unavailable):
        archive.page(EVERYTHING, None)
    with pytest.raises(Unavailable):
        archive.get("msg-1")
