"""A fingerprint identifies a secret and does not reveal it."""

from hypothesis import given
from hypothesis import strategies as st

from codat_hub.webhooks.fingerprint import fingerprint
from tests.support.builders import OTHER_SECRET, SECRET


def test_the_fingerprint_of_a_secret_stays_the_same():
    """Fingerprints are stored with migrations and shown to people, so they must not change."""
    assert fingerprint("whsec_1") == "0447c67f"


def test_two_secrets_have_two_fingerprints():
    assert fingerprint(SECRET) != fingerprint(OTHER_SECRET)


@given(st.text())
def test_a_fingerprint_is_eight_hexadecimal_characters_of_any_text(secret):
    assert len(fingerprint(secret)) == 8
    assert set(fingerprint(secret)) <= set("0123456789abcdef")
