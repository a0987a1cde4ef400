"""The Codat client as a whole: its id and its webhook consumers."""

from datetime import timedelta

import pytest

from codat_hub.codat.errors import WrongClient
from codat_hub.reconcile.domain.drift import DriftKind
from codat_hub.reconcile.domain.reconcile_run import ReconcileStatus
from tools.simulation.reconciling import API, Hub

URL = f"https://{API}.execute-api.eu-west-2.amazonaws.com/dev/webhooks/codat"


def test_consumers_are_compared_with_what_the_hub_needs(in_step):
    codat = in_step.codat.client
    codat.create_webhook_consumer(f"{URL}/platform", ["read.completed"])
    subs = ["cashflow-insights.read.completed", "cashflow-insights.read.completed.initial"]
    codat.create_webhook_consumer(f"{URL}/cashflow", subs)
    elsewhere = URL.replace(API, "other1")
    codat.create_webhook_consumer(f"{elsewhere}/platform", ["read.completed"])
    codat.create_webhook_consumer("https://example.com/hook", ["read.completed"])
    in_step.secrets.stored = ["platform", "old"]

    run = in_step.run()

    found = {(drift.kind, drift.product or drift.subject) for drift in in_step.drift(run)}
    assert found >= {
        (DriftKind.CONSUMER_MISSING, "invoice-finance"),
        (DriftKind.CONSUMER_DOUBLED, "cashflow-insights.read.completed"),
        (DriftKind.CONSUMER_ELSEWHERE, f"{elsewhere}/platform"),
        (DriftKind.SECRET_MISSING, f"{URL}/cashflow"),
        (DriftKind.SECRET_UNUSED, "old"),
        (DriftKind.EVENT_UNSUBSCRIBED, "connection.connected"),
    }
    assert (DriftKind.CONSUMER_MISSING, "lending") not in found
    assert not any("example.com" in str(drift) for drift in found)


def test_parked_webhooks_that_soon_leave_the_inbox_are_for_a_person(in_step):
    now = in_step.clock()
    in_step.parking.park("msg-1", "odd", now, now + timedelta(days=3))
    in_step.parking.park("msg-2#0", "odd", now, now + timedelta(days=6))
    in_step.parking.park("msg-3", "odd", now, now + timedelta(days=20))
    run = in_step.run()
    (drift,) = [d for d in in_step.drift(run) if d.kind is DriftKind.PARKED_EXPIRING]
    expires = now + timedelta(days=3)
    assert drift.detail == f"2 parked, the first expires at {expires:%Y-%m-%d %H:%M} UTC"
    assert drift.unsafe


class TestTheBoundClient:
    @pytest.fixture
    def bound(self, codat):
        def made(client_id):
            hub = Hub(codat, client_id=client_id)
            hub.register()
            return hub

        return made

    @pytest.mark.parametrize("client_id", ["", "00000000-0000-4000-8000-000000000000"])
    def test_another_clients_companies_are_not_imported(self, bound, client_id):
        hub = bound(client_id)

        run = hub.run()

        assert run.status is ReconcileStatus.FAILED
        assert [drift.kind for drift in hub.drift(run)] == [DriftKind.WRONG_CLIENT]
        assert run.unsafe == 1
        assert ("GET", "/companies") not in hub.codat.requests()
        assert not [name for name in hub.table.puts if name.startswith("COMPANY")]

    def test_from_then_on_every_change_at_codat_is_refused(self, bound):
        hub = bound("00000000-0000-4000-8000-000000000000")
        hub.run()
        hub.codat.forget_requests()
        with pytest.raises(WrongClient):
            hub.restarted().binding()
        assert not hub.codat.requests(), "remembered"
