"""Keys at rest, certificates, pins, signatures."""

import base64
import hashlib
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.fernet import InvalidToken
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.db.models import QuerySet
from django.utils import timezone

from clusters import keys
from clusters.models import PortalKey
from tests.clusters.proofs import make_request

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_run_dir(settings: Any, tmp_path: Path) -> None:
    settings.FLEET_RUN_DIR = tmp_path / "run"
    settings.FLEET_PUBLIC_URL = "https://portal.example:8443"
    settings.FLEET_TLS_CERT = settings.FLEET_TLS_KEY = ""


def leaf(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificates(path.read_bytes())[0]


def test_private_keys_lie_encrypted() -> None:
    keys.authority()
    keys.gateway_key()
    for row in PortalKey.objects.all():
        assert b"PRIVATE" not in bytes(row.private_pem)
        assert "PRIVATE" not in row.public_pem


def test_another_secret_does_not_open_them(settings: Any) -> None:
    sealed = keys.seal(b"secret")
    settings.SECRET_KEY = "another secret for tests alone, longer than fifty characters"
    with pytest.raises(InvalidToken):
        keys.unseal(sealed)


def test_keys_are_made_once() -> None:
    assert keys.authority().pem == keys.authority().pem
    assert keys.spki_pin(keys.gateway_key().public_key()) == keys.public_pins()[0]
    assert PortalKey.objects.count() == 2


def test_of_two_processes_one_makes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    made = keys.authority().pem
    none_yet = iter([None])
    real_first = QuerySet.first

    def first(self: Any) -> Any:
        return next(none_yet, real_first(self))

    monkeypatch.setattr(QuerySet, "first", first)
    assert keys.authority().pem == made


def test_the_gateways_certificate_names_what_is_dialled() -> None:
    chain_path, _key_path = keys.ensure_gateway_certificate()
    names = leaf(chain_path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "portal.example" in names.get_values_for_type(x509.DNSName)
    assert "127.0.0.1" in [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]


def test_openssl_takes_the_pair_and_the_authority() -> None:
    chain_path, key_path = keys.ensure_gateway_certificate()
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain_path, key_path)
    ssl.create_default_context(cafile=str(keys.authority_file()))
    assert key_path.stat().st_mode & 0o777 == 0o600


def test_the_certificate_is_kept_and_renewed_on_the_same_key(settings: Any) -> None:
    first = leaf(keys.ensure_gateway_certificate()[0])
    assert leaf(keys.ensure_gateway_certificate()[0]) == first
    settings.FLEET_PUBLIC_URL = "https://other.example"
    second = leaf(keys.ensure_gateway_certificate()[0])
    assert second.serial_number != first.serial_number
    assert second.public_key() == first.public_key()


@pytest.mark.parametrize("content", ["", "nonsense"])
def test_a_broken_file_is_replaced(content: str) -> None:
    chain_path, _key_path = keys.ensure_gateway_certificate()
    chain_path.write_text(content)
    assert leaf(keys.ensure_gateway_certificate()[0])


def test_a_soon_ending_certificate_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "GATEWAY_LIFE", timedelta(days=29))
    first = leaf(keys.ensure_gateway_certificate()[0])
    monkeypatch.undo()
    assert leaf(keys.ensure_gateway_certificate()[0]) != first


def test_a_given_certificate_is_used_and_not_pinned(settings: Any) -> None:
    settings.FLEET_TLS_CERT, settings.FLEET_TLS_KEY = "/etc/tls.crt", "/etc/tls.key"
    assert keys.ensure_gateway_certificate() == (Path("/etc/tls.crt"), Path("/etc/tls.key"))
    assert keys.public_pins() == []


def test_the_pin_is_curls() -> None:
    spki = (
        keys.gateway_key()
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    digest = base64.b64encode(hashlib.sha256(spki).digest()).decode()
    assert keys.public_pins() == [f"sha256//{digest}"]


def test_what_is_signed_verifies_with_the_published_keys() -> None:
    token = keys.sign({"aud": "uid-1"}, "fleet-desired-set+jwt")
    header = jwt.get_unverified_header(token)
    published = {jwk["kid"]: jwk for jwk in keys.assertion_jwks()}
    assert header["typ"] == "fleet-desired-set+jwt"
    key = jwt.PyJWK(published[header["kid"]])
    assert jwt.decode(token, key, algorithms=["ES256"], audience="uid-1")


def test_a_retired_key_is_no_longer_published() -> None:
    keys.assertion_jwks()
    PortalKey.objects.filter(kind="assertion").update(retired_at=timezone.now())
    PortalKey.objects.create(
        kind="assertion",
        key_id="assertion-2",
        private_pem=keys.seal(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        ),
        public_pem="",
    )
    assert [jwk["kid"] for jwk in keys.assertion_jwks()] == ["assertion-2"]


def agent_certificate() -> x509.Certificate:
    return keys.issue_agent_certificate(keys.read_request(make_request()[1]), "uid-1")


def test_an_agents_certificate_is_ours_in_its_time() -> None:
    certificate = agent_certificate()
    now = timezone.now()
    assert keys.is_ours(certificate, now)
    assert not keys.is_ours(certificate, now + keys.AGENT_LIFE)
    assert not keys.is_ours(certificate, now - timedelta(hours=1))


def test_another_authoritys_certificate_is_not_ours() -> None:
    certificate = agent_certificate()
    PortalKey.objects.all().delete()
    assert not keys.is_ours(certificate, timezone.now())


def test_a_self_signed_certificate_is_not_ours() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = keys.authority().certificate.subject
    now = timezone.now()
    forged = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    assert not keys.is_ours(forged, now)
