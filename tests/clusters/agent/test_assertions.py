import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from clusters.agent.assertions import (
    ASSERTION_TYPE,
    AssertionInvalid,
    KeySet,
    Verifier,
    dump_keys,
    load_keys,
)
from tests.clusters.rig import CLUSTER_UID, FakeWebRole


@pytest.fixture
async def web_role() -> FakeWebRole:
    return FakeWebRole()


@pytest.fixture
async def verifier(web_role: FakeWebRole) -> Verifier:
    return Verifier(KeySet(CLUSTER_UID, web_role.jwks))


def test_an_assertion_becomes_its_headers(web_role: FakeWebRole, verifier: Verifier) -> None:
    found = verifier.verify(web_role.assertion("api"), time.time())
    assert found.header_block == (
        b"Impersonate-User: fleet:user:ada\r\n"
        b"Impersonate-Group: fleet:users\r\n"
        b"Impersonate-Group: fleet:team:a\r\n"
        b"Impersonate-Uid: user:7\r\n"
        b"Impersonate-Extra-fleet-portal.io%2Flogin: ada\r\n"
    )


@pytest.mark.parametrize(
    "claims",
    [
        {"name": ""},
        {"name": " "},
        {"name": "fleet:"},
        {"name": "Fleet:user:ada"},
        {"name": "fleet:user:ada\r\nImpersonate-Group: system:masters"},
        {"name": "system:kube-controller-manager"},
        {"name": "fleet:" + "a" * 121},
        {"name": None},
        {"groups": ["fleet:users", "system:masters"]},
        {"groups": ["fleet:team:ä"]},
        {"groups": [f"fleet:team:{n}" for n in range(65)]},
        {"uid": "a b"},
        {"extra": {"scopes": ["x"]}},
        {"extra": {"fleet-portal.io/login": [""]}},
        {"extra": {f"fleet-portal.io/k{n}": ["x"] for n in range(4)}},
        pytest.param({"exp": time.time() + 3600}, id="lives too long"),
        pytest.param({"exp": time.time() - 60, "iat": time.time() - 300}, id="has ended"),
        pytest.param({"iat": time.time() + 600, "exp": time.time() + 700}, id="not yet"),
        {"aud": "another-cluster"},
        {"iss": "somebody"},
    ],
    ids=str,
)
def test_what_must_not_be_acted_under_is_refused(
    web_role: FakeWebRole, verifier: Verifier, claims: dict[str, Any]
) -> None:
    with pytest.raises(AssertionInvalid):
        verifier.verify(web_role.assertion("api", **claims), time.time())


def other_key(claims: dict[str, Any], role: FakeWebRole) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(claims, key, "ES256", {"kid": "k1", "typ": ASSERTION_TYPE})


def unsigned(claims: dict[str, Any], role: FakeWebRole) -> str:
    return jwt.encode(claims, "", "none", {"kid": "k1", "typ": ASSERTION_TYPE})


def by_shared_secret(claims: dict[str, Any], role: FakeWebRole) -> str:
    secret = "a shared secret that is long enough for HS256"
    return jwt.encode(claims, secret, "HS256", {"kid": "k1", "typ": ASSERTION_TYPE})


def other_type(claims: dict[str, Any], role: FakeWebRole) -> str:
    headers = {"kid": "k1", "typ": "fleet-desired-set+jwt"}
    return jwt.encode(claims, role.key, "ES256", headers)


def unknown_key(claims: dict[str, Any], role: FakeWebRole) -> str:
    return jwt.encode(claims, role.key, "ES256", {"kid": "k9", "typ": ASSERTION_TYPE})


@pytest.mark.parametrize("forge", [other_key, unsigned, by_shared_secret, other_type, unknown_key])
def test_a_forged_assertion_is_refused(
    web_role: FakeWebRole,
    verifier: Verifier,
    forge: Callable[[dict[str, Any], FakeWebRole], str],
) -> None:
    claims = jwt.decode(web_role.assertion("api"), options={"verify_signature": False})
    with pytest.raises(AssertionInvalid):
        verifier.verify(forge(claims, web_role), time.time())


@pytest.mark.parametrize("token", ["", "a.b.c", "x" * 9000])
def test_what_is_no_token_is_refused(verifier: Verifier, token: str) -> None:
    with pytest.raises(AssertionInvalid):
        verifier.verify(token, time.time())


def test_a_remembered_assertion_ends_all_the_same(
    web_role: FakeWebRole, verifier: Verifier
) -> None:
    token = web_role.assertion("api")
    verifier.verify(token, time.time())
    with pytest.raises(AssertionInvalid):
        verifier.verify(token, time.time() + 400)


def test_a_project_only_tries_whatever_is_signed(web_role: FakeWebRole, verifier: Verifier) -> None:
    token = web_role.assertion("api", name="fleet:project:shop", dry_run_only=False)
    assert verifier.verify(token, time.time()).dry_run_only


async def test_new_keys_take_the_place_of_old_ones(web_role: FakeWebRole) -> None:
    keys = KeySet(CLUSTER_UID, web_role.jwks)
    verifier = Verifier(keys)
    token = web_role.assertion("api")
    verifier.verify(token, time.time())
    assert not keys.replace(web_role.jwks)
    assert not keys.replace([])
    assert keys.replace(FakeWebRole().jwks)
    verifier.forget()
    with pytest.raises(AssertionInvalid):
        verifier.verify(token, time.time())


def test_a_desired_set_needs_no_end(web_role: FakeWebRole) -> None:
    keys = KeySet(CLUSTER_UID, web_role.jwks)
    typ = "fleet-desired-set+jwt"
    claims = {"iss": "fleet-portal", "aud": CLUSTER_UID, "project": "shop"}
    token = jwt.encode(claims, web_role.key, "ES256", {"kid": "k1", "typ": typ})
    assert keys.verify(token, typ)["project"] == "shop"


def test_keys_are_kept_as_text(web_role: FakeWebRole) -> None:
    assert load_keys(dump_keys(web_role.jwks)) == web_role.jwks
    assert load_keys("") == load_keys("{}") == []
