"""How the agent gets its certificate, and how it proves that it holds the key to it.

The P-256 key is made here and stays in the cluster. The portal ignores every name in the request:
names come from the record of the token, or of the certificate that is being renewed.
"""

import base64
import hashlib
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import jwt
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from clusters.agent.config import AgentConfig, AgentIdentity
from clusters.agent.portal_tls import PinMismatch, aiohttp_ssl

ENROLL_SECONDS = 20.0
PROOF_SECONDS = 60
RENEW_AT_SHARE = 2 / 3
ANSWER_MAX = 256 * 1024


class EnrolmentFailed(Exception):
    """No certificate came. `refused`: the portal said no, so asking again soon is of no use."""

    def __init__(self, message: str, *, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused


class _Answer(msgspec.Struct):
    certificate_pem: str
    ca_pem: str
    cluster: str
    keys: list[dict[str, Any]]


def digest_of(token: str) -> str:
    """Return what is kept of a spent join token."""
    return hashlib.sha256(token.encode()).hexdigest()


def make_key() -> str:
    """Return a new P-256 private key as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def make_request(key_pem: str) -> str:
    """Return a certificate request for the key; its subject says nothing."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fleet-agent")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return request.sign(_private(key_pem), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def make_proof(identity: AgentIdentity, audience: str, wall: float | None = None) -> str:
    """Return the JWS that proves possession of the agent's key, good for a minute and once."""
    now = int(time.time() if wall is None else wall)
    chain = x509.load_pem_x509_certificates(identity.certificate_pem.encode())
    x5c = [base64.b64encode(link.public_bytes(Encoding.DER)).decode() for link in chain]
    claims = {"aud": audience, "iat": now, "exp": now + PROOF_SECONDS, "jti": uuid.uuid4().hex}
    return jwt.encode(claims, _private(identity.key_pem), "ES256", {"x5c": x5c})


def renew_at(identity: AgentIdentity) -> float:
    """Return the time of day from which the certificate should be renewed: 2/3 of its life."""
    certificate = x509.load_pem_x509_certificate(identity.certificate_pem.encode())
    start = certificate.not_valid_before_utc.timestamp()
    end = certificate.not_valid_after_utc.timestamp()
    return start + RENEW_AT_SHARE * (end - start)


def has_ended(identity: AgentIdentity, wall: float) -> bool:
    """Whether the certificate is of no use any more."""
    certificate = x509.load_pem_x509_certificate(identity.certificate_pem.encode())
    return certificate.not_valid_after_utc.timestamp() <= wall


async def enroll(config: AgentConfig, token: str) -> AgentIdentity:
    """Exchange the join token for a certificate on a new key. Raises EnrolmentFailed."""
    key_pem = make_key()
    body = {"token": token, "csr_pem": make_request(key_pem), "cluster_uid": config.cluster_uid}
    identity = await _ask(config, key_pem, body, {})
    return replace(identity, token_digest=digest_of(token))


async def renew(config: AgentConfig, identity: AgentIdentity) -> AgentIdentity:
    """Return a new certificate on a new key, proven by the present one. Raises EnrolmentFailed."""
    key_pem = make_key()
    body = {"csr_pem": make_request(key_pem), "cluster_uid": config.cluster_uid}
    headers = {"Authorization": f"Fleet-Agent {make_proof(identity, config.url)}"}
    renewed = await _ask(config, key_pem, body, headers)
    return replace(renewed, token_digest=identity.token_digest)


async def _ask(
    config: AgentConfig, key_pem: str, body: Mapping[str, str], headers: Mapping[str, str]
) -> AgentIdentity:
    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=ENROLL_SECONDS), trust_env=True
            ) as session,
            session.post(
                f"{config.url}/enroll/v1",
                json=dict(body),
                headers=dict(headers),
                ssl=aiohttp_ssl(config.pins),
                # An address that redirects is another server: nothing of ours is for it.
                allow_redirects=False,
            ) as answer,
        ):
            data = await answer.content.read(ANSWER_MAX)
            status = answer.status
    except (aiohttp.ClientError, PinMismatch, OSError, TimeoutError) as error:
        raise EnrolmentFailed(f"the portal is not reached: {error}", refused=False) from None
    if status != 200:
        # 429 and 5xx pass; every other answer stays the same until a person does something.
        again = status == 429 or status >= 500
        raise EnrolmentFailed(f"the portal answered {status}: {_words(data)}", refused=not again)
    return _identity(data, key_pem)


def _identity(data: bytes, key_pem: str) -> AgentIdentity:
    try:
        answer = msgspec.json.decode(data, type=_Answer)
    except msgspec.MsgspecError as error:
        raise EnrolmentFailed(
            f"the portal's answer does not read: {error}", refused=False
        ) from None
    return AgentIdentity(key_pem, answer.certificate_pem, answer.ca_pem, tuple(answer.keys))


def _words(data: bytes) -> str:
    try:
        return str(msgspec.json.decode(data, type=dict[str, Any]).get("message", ""))[:500]
    except msgspec.MsgspecError:
        return "no explanation"


def _private(key_pem: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(key_pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the agent's key is not on an elliptic curve")
    return key
