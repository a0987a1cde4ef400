"""Which texts are consumer names and signing secrets."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.webhooks.signing_secret import is_consumer, signing_key


@given(st.binary(min_size=24, max_size=64), st.booleans())
def test_a_well_formed_secret_is_its_key_with_or_without_padding(key, padded):
    text = base64.b64encode(key).decode()
    assert signing_key(f"whsec_{text if padded else text.rstrip('=')}") == key


@pytest.mark.parametrize(
    "secret",
    [
        None,
        7,
        "",
        "lending",
        "whsec_",
        "whsec_AA==",
        "whsec_%%%",
        f"whsec_{'A' * 31}",
        f"whsec_{'A' * 120}",
        f" whsec_{'A' * 32}",
        f"whsec_{'A' * 31}!",
        "A" * 32,
    ],
)
def test_a_placeholder_never_becomes_a_key(secret):
    with pytest.raises(ValueError, match="signing secret") as raised:
        signing_key(secret)
    assert not secret or len(str(secret)) < 8 or str(secret) not in str(raised.value)


@given(st.text(max_size=80))
def test_a_consumers_name_fits_into_a_url_as_it_is(name):
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    fits = 0 < len(name) < 64 and set(name) <= allowed and not name.startswith("-")
    assert is_consumer(name) == fits
