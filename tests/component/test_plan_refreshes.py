"""The handler as EventBridge Scheduler starts it."""

import json

from codat_hub.handlers.plan_refreshes import handler
from tests.component.test_receive_webhook import Context
from tests.template import ROOT


def test_the_slot_is_noted(caplog):
    handler(json.loads((ROOT / "events/plan_refreshes.json").read_text()), Context())
    assert "refresh due" in caplog.messages
