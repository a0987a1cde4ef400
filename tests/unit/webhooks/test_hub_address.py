"""The hub knows its own URLs: at its domain, at API Gateway's address, and at the emulator's."""

import pytest

from codat_hub.webhooks.hub_address import HubAddress

RAW = "https://abc123.execute-api.eu-west-2.amazonaws.com/prod/webhooks/codat"
LOCAL = "http://127.0.0.1:4566/_aws/execute-api/abc123/local/webhooks/codat"
DOMAIN = "https://hooks.example.com/webhooks/codat"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (f"{RAW}/lending", "lending"),
        (f"{DOMAIN}/lending", "lending"),
        ("https://HOOKS.example.com/x/webhooks/codat/lending/", "lending"),
        (f"{DOMAIN}/lending?migration=m1", "lending"),
        (f"{LOCAL}/a-b", "a-b"),
        ("https://abc124.execute-api.eu-west-2.amazonaws.com/prod/webhooks/codat/lending", None),
        ("https://hooks.example.com.evil.example/webhooks/codat/lending", None),
        ("https://example.com/webhooks/codat/lending?host=hooks.example.com", None),
        (f"{RAW}/", None),
        (f"{RAW}/a/b", None),
        ("https://hooks.example.com/other", None),
        ("nonsense", None),
        ("/webhooks/codat/lending", None),
    ],
)
def test_a_url_belongs_to_this_hub_by_its_api_or_its_domain(url, name):
    assert HubAddress(DOMAIN, "abc123").consumer_of(url) == name


@pytest.mark.parametrize("own", [RAW, LOCAL])
def test_without_a_domain_another_hub_at_the_same_host_is_another_hub(own):
    hub = HubAddress(own, "abc123")
    assert hub.consumer_of(f"{own}/lending") == "lending"
    assert hub.consumer_of(f"{own}/lending".replace("abc123", "abc124")) is None
    assert hub.consumer_of(f"{DOMAIN}/lending") is None


def test_without_its_id_an_address_is_known_by_its_host():
    assert HubAddress(RAW).consumer_of(f"{RAW}/lending") == "lending"
    assert HubAddress(RAW).consumer_of(f"{DOMAIN}/lending") is None


def test_a_consumers_url_is_one_that_the_hub_knows():
    hub = HubAddress(DOMAIN, "abc123")
    assert hub.of("lending") == f"{DOMAIN}/lending"
    assert hub.consumer_of(hub.of("lending")) == "lending"
