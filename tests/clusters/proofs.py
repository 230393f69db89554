"""What an agent does to prove itself, for tests: its key, its request, its signed proof."""

import base64
import time
import uuid
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from clusters import actions
from clusters.models import Cluster


def make_request(key: Any = None, common_name: str = "whatever") -> tuple[Any, str]:
    """Return a key and a certificate request of it."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return key, request.public_bytes(serialization.Encoding.PEM).decode()


def make_proof(key: Any, certificate_pem: str, **claims: Any) -> str:
    """Return the JWS that an agent sends with its hello."""
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    der = certificate.public_bytes(serialization.Encoding.DER)
    now = int(time.time())
    values = {"aud": "fleet-portal", "iat": now, "exp": now + 60, "jti": uuid.uuid4().hex}
    headers = {"x5c": [base64.b64encode(der).decode()]}
    return jwt.encode({**values, **claims}, key, algorithm="ES256", headers=headers)


@dataclass
class EnrolledAgent:
    cluster: Cluster
    key: Any
    certificate_pem: str

    def proof(self, **claims: Any) -> str:
        return make_proof(self.key, self.certificate_pem, **claims)


def enroll(join: actions.Join, uid: str = "uid-1") -> EnrolledAgent:
    """Enrol an agent with the join's token."""
    key, csr = make_request()
    enrolment = actions.enroll_agent(
        token=join.token, csr_pem=csr, cluster_uid=uid, remote="192.0.2.1"
    )
    join.cluster.refresh_from_db()
    return EnrolledAgent(join.cluster, key, enrolment.certificate_pem)
