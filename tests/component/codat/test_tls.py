"""Over TLS, as with Codat, the client checks trust, reuses connections and keeps its deadline."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from codat_hub.codat import errors
from codat_hub.codat.adapters.api_key import GivenKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.transport import Timeouts, Transport, new_http
from tests.support.codat.wire import Wire, reply

PATIENT = Timeouts(connect=5.0, read=5.0, total=10.0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A file with a key and a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wire")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "wire.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def wire(certificate):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with Wire(tls) as server:
        yield server


def client(wire, timeouts=PATIENT):
    return CodatClient(Transport(new_http(), GivenKey("key"), base_url=wire.url, timeouts=timeouts))


def test_calls_share_one_connection_over_tls(wire, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    wire.script = reply(200, {"id": "c1"})
    codat = client(wire)
    assert [codat.company("c1").value.id for _ in range(2)] == ["c1", "c1"]
    assert wire.connections == 1


def test_a_self_signed_certificate_is_not_trusted_and_nothing_is_sent(wire):
    with pytest.raises(errors.OutcomeUnknown, match="CERTIFICATE_VERIFY_FAILED"):
        client(wire).company("c1")
    assert not wire.requests


def test_a_head_that_drips_over_tls_is_cut_off_by_the_deadline(wire, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    dripped = []

    def drips(line):
        line.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(200):
            line.send(b"a")
            line.hold(0.05)
        dripped.append("to the end")

    wire.script = drips
    codat = client(wire, Timeouts(connect=5.0, read=5.0, total=2.0))
    with pytest.raises(errors.OutcomeUnknown, match="TooSlow"):
        codat.company("c1")
    assert not dripped
    assert wire.requests, "it was the answer that was slow"
