import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
from cryptography import x509

from clusters.agent.config import AgentConfig, parse_pins
from clusters.agent.enroll import (
    EnrolmentFailed,
    digest_of,
    enroll,
    has_ended,
    make_key,
    make_proof,
    make_request,
    renew,
    renew_at,
)
from tests.clusters.rig import CLUSTER_UID, JOIN_TOKEN, Rig, pin_of, rig, self_signed

DAY = 86400.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        yield made


def config(world: Rig, pins: str = "") -> AgentConfig:
    found = parse_pins(pins or pin_of(world.certificate))
    return AgentConfig(world.url, found, "c1", "use", (), CLUSTER_UID, "i")


def test_the_request_names_nobody_and_is_signed_by_its_key() -> None:
    request = x509.load_pem_x509_csr(make_request(make_key()).encode())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=fleet-agent"


async def test_a_token_is_exchanged_for_a_certificate(world: Rig) -> None:
    identity = await enroll(config(world), JOIN_TOKEN)
    certificate = x509.load_pem_x509_certificate(identity.certificate_pem.encode())
    certificate.verify_directly_issued_by(world.web_role.ca)
    assert identity.token_digest == digest_of(JOIN_TOKEN)
    assert identity.jwks[0]["kid"] == "k1"
    assert JOIN_TOKEN not in json.dumps(identity.__dict__)


async def test_a_spent_token_is_refused_with_the_portals_words(world: Rig) -> None:
    with pytest.raises(EnrolmentFailed, match="the token is spent") as failed:
        await enroll(config(world), "other")
    assert failed.value.refused


async def test_a_portal_that_is_away_is_asked_again(world: Rig) -> None:
    await world.link.close()
    with pytest.raises(EnrolmentFailed) as failed:
        await enroll(config(world), JOIN_TOKEN)
    assert not failed.value.refused


async def test_another_key_at_the_portals_address_gets_nothing(world: Rig) -> None:
    stranger = pin_of(self_signed("stranger")[3])
    with pytest.raises(EnrolmentFailed, match="pins") as failed:
        await enroll(config(world, stranger), JOIN_TOKEN)
    assert not failed.value.refused
    assert "enroll" not in world.web_role.asked


async def test_without_pins_the_usual_rules_hold(world: Rig) -> None:
    public = replace(config(world), pins=frozenset())
    with pytest.raises(EnrolmentFailed, match=r"(?i)certificate"):
        await enroll(public, JOIN_TOKEN)


async def test_a_certificate_is_renewed_by_itself(world: Rig) -> None:
    identity = await enroll(config(world), JOIN_TOKEN)
    renewed = await renew(config(world), identity)
    assert renewed.key_pem != identity.key_pem
    assert renewed.token_digest == identity.token_digest


async def test_the_proof_is_good_for_a_minute_and_once(world: Rig) -> None:
    identity = await enroll(config(world), JOIN_TOKEN)
    proofs = [make_proof(identity, "https://portal", 1000.0) for _ in range(2)]
    claims = [jwt.decode(proof, options={"verify_signature": False}) for proof in proofs]
    assert (claims[0]["aud"], claims[0]["exp"] - claims[0]["iat"]) == ("https://portal", 60)
    assert claims[0]["jti"] != claims[1]["jti"]
    (leaf,) = jwt.get_unverified_header(proofs[0])["x5c"]
    assert x509.load_der_x509_certificate(base64.b64decode(leaf))


@pytest.mark.parametrize(
    ("when", "ended"), [(lambda now: now, False), (lambda now: now + 8 * DAY, True)]
)
async def test_the_end_of_a_certificate_is_seen(
    world: Rig, when: Callable[[float], float], ended: bool
) -> None:
    identity = await enroll(config(world), JOIN_TOKEN)
    now = time.time()
    assert has_ended(identity, when(now)) is ended
    assert now + 4 * DAY < renew_at(identity) < now + 5 * DAY
