"""The example consumer calls Codat at a steady pace, and reads how long it has to wait."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from tools.example_consumer.consumer import codat
from tools.example_consumer.consumer.codat import Codat, retry_after

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_calls_keep_their_pace(monkeypatch):
    clock, slept = [100.0], []

    def sleep(seconds):
        slept.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(codat, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    client = Codat("https://codat.test", lambda: "key", pause=2.0)
    answer = SimpleNamespace(status=200, data=b"{}", headers={})
    client._http = SimpleNamespace(request=lambda *_, **__: answer)
    for busy in (0.0, 0.5, 5.0, 0.0):
        client.get("/companies", {})
        clock[0] += busy
    assert slept == [0.0, 2.0, 1.5, 0.0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("40000", 40_000),
        ("1.5", 1.5),
        ("-1", 0),
        ("Wed, 01 Jul 2026 13:00:00 GMT", 3600),
        ("2026-07-01T12:01:00Z", 60),
        ("2026-07-01T11:00:00", 0),
        ("9999999", 86_400),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert retry_after(text, NOW) == seconds
