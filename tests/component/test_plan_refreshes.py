"""The handler as EventBridge Scheduler starts it."""

import json

from codat_hub.handlers.plan_refreshes import handler
from tests.component.test_receive_webhook import Context
from tests.template import ROOT


def test_the_slot_is_noted(capsys):
    handler(json.loads((ROOT / "events/plan_refreshes.json").read_text()), Context())
    line = json.loads(capsys.readouterr().out)
    assert (line["product"], line["slot"]) == ("invoice-finance", "2026-07-02T22:00:00Z")
