"""Which signature headers are well-formed."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.errors import Refused
from codat_hub.webhooks.signature_headers import SignatureHeaders, parse_signature_headers
from tests.support.builders import signed_headers

GOOD = signed_headers(b"{}", at=1_700_000_000)
SIGNATURE = GOOD["webhook-signature"]
header_values = st.text(string.printable, max_size=80)
header_names = st.sampled_from(
    [f"{prefix}-{part}" for prefix in ("webhook", "svix") for part in ("id", "timestamp")]
    + ["webhook-signature", "Webhook-Signature", "svix-signature", "content-type"]
)


def test_the_three_headers_come_back_whatever_their_case():
    shouted = {name.upper(): value for name, value in GOOD.items()}
    assert parse_signature_headers(shouted) == SignatureHeaders("msg_1", "1700000000", (SIGNATURE,))


def test_svix_names_count_when_the_unbranded_ones_are_absent():
    branded = {name.replace("webhook", "svix"): value for name, value in GOOD.items()}
    assert parse_signature_headers(branded).webhook_id == "msg_1"


def test_a_mixture_of_both_names_is_refused():
    mixed = {**GOOD, "svix-signature": SIGNATURE}
    del mixed["webhook-signature"]
    with pytest.raises(Refused):
        parse_signature_headers(mixed)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_refused(missing):
    with pytest.raises(Refused):
        parse_signature_headers({k: v for k, v in GOOD.items() if k != missing})


@pytest.mark.parametrize(
    "header",
    [
        {"webhook-id": ""},
        {"webhook-id": "x" * 256},
        {"webhook-id": 'msg_1.1700000000.{"id"'},
        {"webhook-id": "msg\u00e9"},
        {"webhook-timestamp": "1" * 400},
        {"webhook-timestamp": "1.7e9"},
        {"webhook-timestamp": "-1700000000"},
        {"webhook-timestamp": "1700000000.0"},
        {"webhook-timestamp": "\u0661\u0667"},
        {"webhook-timestamp": "nan"},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,a,b"},
        {"webhook-signature": "v1,abc"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": SIGNATURE.replace("v1,", "v2,")},
        {"webhook-signature": f"{SIGNATURE}  {SIGNATURE}"},
        {"webhook-signature": f" {SIGNATURE}"},
        {"webhook-signature": " ".join([SIGNATURE] * 100)},
    ],
    ids=str,
)
def test_a_malformed_header_is_refused(header):
    with pytest.raises(Refused):
        parse_signature_headers({**GOOD, **header})


@pytest.mark.parametrize("before", ["v1", "v1,abc", "v1a,eHh4eA==", "v9,a,b"])
def test_a_good_signature_after_an_unknown_one_is_kept(before):
    headers = {**GOOD, "webhook-signature": f"{before} {SIGNATURE}"}
    assert parse_signature_headers(headers).signatures == (SIGNATURE,)


@given(st.dictionaries(header_names, header_values))
def test_any_headers_are_read_or_refused(headers):
    try:
        signed = parse_signature_headers(headers)
    except Refused:
        return
    assert signed.webhook_id
    assert signed.signatures
