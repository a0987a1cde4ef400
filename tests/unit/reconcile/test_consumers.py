"""The hub recognises its own webhook consumers at Codat and reports their faults."""

from codat_hub.products.domain.product import Product, ProductKind
from codat_hub.reconcile.domain.consumers import NEEDED, check, summary
from codat_hub.reconcile.domain.drift import DriftKind
from codat_hub.reconcile.domain.observed import ObservedConsumer
from codat_hub.webhooks.hub_address import HubAddress

HUB = HubAddress("https://hooks.example.com/webhooks/codat", "abc123")
URL = "https://abc123.execute-api.eu-west-2.amazonaws.com/prod/webhooks/codat"
CUSTOM = Product("invoice-finance", ProductKind.CUSTOM)
STANDARD = Product("lending", ProductKind.STANDARD)
PLATFORM = ObservedConsumer("1", f"{URL}/platform", event_types=("read.completed", *NEEDED))
FINANCE = ObservedConsumer("2", f"{URL}/finance", event_types=("invoice-finance.read.completed",))
GOOD = (PLATFORM, FINANCE)
SECRETS = ("finance", "platform")


def found(*consumers, secrets=SECRETS):
    return {
        (drift.kind, drift.product or drift.subject)
        for drift in check(consumers, HUB, (CUSTOM, STANDARD), secrets)
    }


def test_consumers_as_they_should_be_are_no_drift():
    assert found(*GOOD) == set()


def test_both_outcomes_subscribed_instead_of_the_base_is_enough():
    base = "invoice-finance.read.completed"
    outcomes = ObservedConsumer("2", f"{URL}/finance", False, (f"{base}.successful",
                                f"{base}.unsuccessful"))  # fmt: skip
    assert found(PLATFORM, outcomes) == set()
    half = ObservedConsumer("2", f"{URL}/finance", False, (f"{base}.successful",))
    assert found(PLATFORM, half) == {(DriftKind.CONSUMER_MISSING, "invoice-finance")}


def test_base_and_sub_events_count_as_doubled_across_consumers_too():
    other = ObservedConsumer("3", f"{URL}/platform", False, ("read.completed.initial",))
    assert found(*GOOD, other) == {(DriftKind.CONSUMER_DOUBLED, "read.completed")}
    off = ObservedConsumer("3", f"{URL}/platform", True, ("read.completed.initial",))
    assert found(*GOOD, off) == {(DriftKind.CONSUMER_DISABLED, off.url)}


def test_a_consumer_without_secret_and_a_secret_without_consumer_are_reported():
    assert found(*GOOD, secrets=("platform", "old")) == {
        (DriftKind.SECRET_MISSING, FINANCE.url),
        (DriftKind.SECRET_UNUSED, "old"),
    }


def test_another_hubs_consumer_is_reported_and_its_subscriptions_do_not_count():
    elsewhere = ObservedConsumer("9", "https://z.example/webhooks/codat/finance", False,
                                 ("invoice-finance.read.completed",))  # fmt: skip
    assert found(PLATFORM, elsewhere, secrets=("platform",)) == {
        (DriftKind.CONSUMER_ELSEWHERE, elsewhere.url),
        (DriftKind.CONSUMER_MISSING, "invoice-finance"),
    }


def test_without_any_consumer_everything_is_missing():
    kinds = [drift.kind for drift in check((), HUB, (CUSTOM, STANDARD), ())]
    assert kinds.count(DriftKind.CONSUMER_MISSING) == 2
    assert kinds.count(DriftKind.EVENT_UNSUBSCRIBED) == len(NEEDED)


def test_the_summary_names_consumers_and_nothing_else():
    off = ObservedConsumer("2", f"{URL}/finance", disabled=True)
    assert summary((PLATFORM, off), HUB, ("platform", "old")) == {
        "finance": {"at_codat": True, "enabled": False, "secret": False},
        "old": {"at_codat": False, "enabled": False, "secret": True},
        "platform": {"at_codat": True, "enabled": True, "secret": True},
    }
