"""A change that loses races pauses and decides anew, but not for long."""

import pytest

from codat_hub.errors import Unavailable
from codat_hub.webhooks import signing_secret_store
from codat_hub.webhooks.signing_secret_store import SigningSecretStore


def test_a_change_that_loses_every_race_ends_within_seven_seconds(monkeypatch):
    """An API request waits for it, and API Gateway answers within 29 seconds."""
    pauses = []
    store = SigningSecretStore(None, "arn", pauses.append)
    monkeypatch.setattr(store, "_read", lambda: ({}, "1"))
    monkeypatch.setattr(store, "_replace", lambda *_: False)
    monkeypatch.setattr(signing_secret_store.random, "uniform", lambda _least, most: most)
    with pytest.raises(Unavailable, match="others keep changing the signing secrets"):
        store.set({"lending": ["whsec_1"]})
    assert pauses[:3] == [0.1, 0.2, 0.4]
    assert sum(pauses) < 7
