"""The portal's private keys: its authority, its gateway's key, the keys that sign assertions.

They lie in the database, encrypted with a key derived from FLEET_SECRET_KEY, so every role and
every worker holds the same ones and a restart changes nothing that agents have pinned. The
gateway's process gets its certificate as files and never sees the rest.
"""

import base64
import hashlib
import ipaddress
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.conf import settings
from django.db import IntegrityError, transaction

from clusters.models import PortalKey

AUTHORITY_LIFE = timedelta(days=3650)
GATEWAY_LIFE = timedelta(days=365)
GATEWAY_RENEW_BEFORE = timedelta(days=30)
AGENT_LIFE = timedelta(days=7)
# A clock that runs ahead elsewhere must not make a fresh certificate "not yet valid".
BACKDATED = timedelta(minutes=5)

PrivateKey = ec.EllipticCurvePrivateKey


@lru_cache(maxsize=4)
def _fernet(secret: str) -> Fernet:
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"fleet-portal.keys.v1")
    return Fernet(base64.urlsafe_b64encode(derived.derive(secret.encode())))


def seal(secret: bytes) -> bytes:
    """Return `secret` encrypted for the database."""
    return _fernet(settings.SECRET_KEY).encrypt(secret)


def unseal(sealed: "bytes | memoryview[int]") -> bytes:
    """Return what `seal` took; raises cryptography.fernet.InvalidToken after the key changed."""
    return _fernet(settings.SECRET_KEY).decrypt(bytes(sealed))


@lru_cache(maxsize=64)
def _load_private(pem: bytes) -> PrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("a key of the portal is not on an elliptic curve")
    return key


def _private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _public_pem(key: PrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def private_key(row: PortalKey) -> PrivateKey:
    return _load_private(unseal(row.private_pem))


def _active(kind: str, key_id: str, public: Callable[[PrivateKey], str] = _public_pem) -> PortalKey:
    """Return the newest active key of the kind, made with `key_id` where there is none.

    Two processes may start at once: the unique `key_id` lets one of them win.
    """
    rows = PortalKey.objects.filter(kind=kind, retired_at=None)
    row = rows.first()
    if row is not None:
        return row
    try:
        with transaction.atomic():
            return _create(kind, key_id, public)
    except IntegrityError:
        return rows.get(key_id=key_id)


def _create(kind: str, key_id: str, public: Callable[[PrivateKey], str]) -> PortalKey:
    key = ec.generate_private_key(ec.SECP256R1())
    return PortalKey.objects.create(
        kind=kind, key_id=key_id, private_pem=seal(_private_pem(key)), public_pem=public(key)
    )


# The authority.


@dataclass(frozen=True)
class Authority:
    """What signs certificates of agents and of the gateway."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def authority() -> Authority:
    """Return the portal's authority, made at the first call."""
    row = _active("authority", "authority-1", _authority_certificate)
    return Authority(x509.load_pem_x509_certificate(row.public_pem.encode()), private_key(row))


def _authority_certificate(key: PrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fleet Portal authority")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _issue(
    public_key: ec.EllipticCurvePublicKey,
    common_name: str,
    names: list[x509.GeneralName],
    purpose: x509.ObjectIdentifier,
    life: timedelta,
) -> x509.Certificate:
    signer = authority()
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])]))
        .issuer_name(signer.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(signer.key, hashes.SHA256())
    )


# Agents' certificates.


class RequestInvalid(ValueError):
    """A certificate request that cannot be signed; the sentence says why."""


def read_request(csr_pem: str) -> ec.EllipticCurvePublicKey:
    """Return the P-256 key whose holder made the request. Nothing else of it is read: names
    and extensions come from the join token's record. Raises RequestInvalid."""
    try:
        request = x509.load_pem_x509_csr(csr_pem.encode())
        proven = request.is_signature_valid
        key = request.public_key()
    except (ValueError, TypeError) as error:
        raise RequestInvalid("the certificate request cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RequestInvalid("the certificate request needs a P-256 key")
    if not proven:
        raise RequestInvalid("the certificate request is not signed by its own key")
    return key


def issue_agent_certificate(
    public_key: ec.EllipticCurvePublicKey, cluster_uid: str
) -> x509.Certificate:
    """Return a certificate for the agent of the cluster with this kube-system UID."""
    name = x509.UniformResourceIdentifier(f"spiffe://fleet-portal/agent/{cluster_uid}")
    return _issue(
        public_key, f"agent {cluster_uid}", [name], ExtendedKeyUsageOID.CLIENT_AUTH, AGENT_LIFE
    )


def certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def serial_of(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:x}"


def is_ours(certificate: x509.Certificate, now: datetime) -> bool:
    """Tell whether an agent's certificate was signed by this authority and is in its time."""
    try:
        certificate.verify_directly_issued_by(authority().certificate)
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    in_time = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    return in_time and ExtendedKeyUsageOID.CLIENT_AUTH in purposes


# The gateway's certificate.


def has_public_certificate() -> bool:
    """Tell whether the gateway serves a certificate that was given to it."""
    return bool(settings.FLEET_TLS_CERT)


def ensure_gateway_certificate() -> tuple[Path, Path]:
    """Return the paths of the gateway's certificate chain and key, written if need be.

    The key stays the same for the life of the database, because agents pin it.
    """
    if has_public_certificate():
        return Path(settings.FLEET_TLS_CERT), Path(settings.FLEET_TLS_KEY)
    run_dir = Path(settings.FLEET_RUN_DIR)
    run_dir.mkdir(parents=True, exist_ok=True)
    chain_path, key_path = run_dir / "gateway.crt", run_dir / "gateway.key"
    key = gateway_key()
    if not _still_good(chain_path, key):
        leaf = _issue(
            key.public_key(),
            public_host(),
            _gateway_names(),
            ExtendedKeyUsageOID.SERVER_AUTH,
            GATEWAY_LIFE,
        )
        _write(chain_path, (certificate_pem(leaf) + authority().pem).encode(), 0o644)
    _write(key_path, _private_pem(key), 0o600)
    return chain_path, key_path


def gateway_key() -> PrivateKey:
    return private_key(_active("gateway", "gateway-1"))


def public_host() -> str:
    return urlsplit(settings.FLEET_PUBLIC_URL).hostname or "localhost"


def _gateway_names() -> list[x509.GeneralName]:
    """Return the names people, agents and the portal itself dial: the public one, and loopback."""
    listen_host = settings.FLEET_LISTEN.rpartition(":")[0].strip("[]")
    hosts = dict.fromkeys([public_host(), "localhost", "127.0.0.1", "::1", listen_host])
    return [_general_name(host) for host in hosts if host and host not in ("0.0.0.0", "::")]  # noqa: S104


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _still_good(path: Path, key: PrivateKey) -> bool:
    try:
        leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError, IndexError):
        return False
    alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        leaf.public_key() == key.public_key()
        and leaf.issuer == authority().certificate.subject
        and leaf.not_valid_after_utc - datetime.now(UTC) > GATEWAY_RENEW_BEFORE
        and list(alternative) == _gateway_names()
        and _signed_by_authority(leaf)
    )


def _signed_by_authority(leaf: x509.Certificate) -> bool:
    pinned = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    ours = x509.SubjectKeyIdentifier.from_public_key(authority().key.public_key())
    return pinned.key_identifier == ours.digest


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace the file in one step: a gateway that starts now reads the old or the new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.chmod(temporary, mode)
    os.replace(temporary, path)


def authority_file() -> Path:
    """Return the path of a file with the authority's certificate, for clients of this host."""
    path = Path(settings.FLEET_RUN_DIR) / "authority.crt"
    pem = authority().pem.encode()
    if not path.exists() or path.read_bytes() != pem:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, pem, 0o644)
    return path


def public_pins() -> list[str]:
    """Return what agents and `curl --pinnedpubkey` pin; empty behind a public certificate."""
    return [] if has_public_certificate() else [spki_pin(gateway_key().public_key())]


def spki_pin(public_key: ec.EllipticCurvePublicKey) -> str:
    """Return `sha256//` and the base64 digest of the key as SubjectPublicKeyInfo (curl's form)."""
    spki = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return "sha256//" + base64.b64encode(hashlib.sha256(spki).digest()).decode()


# Assertions and desired sets.


def sign(claims: dict[str, Any], token_type: str) -> str:
    """Return `claims` as a compact JWS (ES256) with the header `typ`."""
    row = _active("assertion", "assertion-1")
    headers = {"kid": row.key_id, "typ": token_type}
    return jwt.encode(claims, private_key(row), algorithm="ES256", headers=headers)


def assertion_jwks() -> list[dict[str, str]]:
    """Return the public keys that agents accept, as JWKs, newest first."""
    _active("assertion", "assertion-1")
    rows = PortalKey.objects.filter(kind="assertion", retired_at=None)
    return [_jwk(row) for row in rows]


def _jwk(row: PortalKey) -> dict[str, str]:
    numbers = private_key(row).public_key().public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": _coordinate(numbers.x),
        "y": _coordinate(numbers.y),
        "kid": row.key_id,
        "alg": "ES256",
        "use": "sig",
    }


def _coordinate(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
