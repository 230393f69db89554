"""The applier's endpoints as the portal's controllers call them."""

import json

import pytest

from clusters.agent.endpoints import AgentRequest, AgentResponse, Router
from clusters.domain.objects import canonical_json, digest_of
from clusters.tunnel.requests import RequestRefused
from deployments.agent.applier import Applier
from deployments.agent.endpoints import applier_endpoints
from tests.deployments.agent.conftest import application, claims, config_map, sign

DATA = canonical_json(config_map())
DIGEST = digest_of(DATA)


async def put(applier: Applier, path: str, body: bytes) -> AgentResponse:
    handler, match = Router(applier_endpoints(applier)).find("PUT", path)
    return await handler(AgentRequest("PUT", path, "", {}, body, match))


def decoded(response: AgentResponse) -> dict[str, object]:
    assert isinstance(response.body, bytes)
    found: dict[str, object] = json.loads(response.body)
    return found


async def put_set(applier: Applier, **changes: int) -> AgentResponse:
    token = sign(claims(application(config_map()), **changes))
    return await put(applier, "/v1/desired/shop", token.encode())


async def test_a_set_is_acknowledged_with_what_is_missing(applier: Applier) -> None:
    response = await put_set(applier)
    assert response.status == 200
    assert decoded(response) == {
        "accepted": {"epoch": 1, "sequence": 1},
        "missing": [DIGEST],
    }


@pytest.mark.parametrize("colon", [":", "%3A", "%3a"])
async def test_content_is_taken_with_or_without_an_escaped_colon(
    applier: Applier, colon: str
) -> None:
    await put_set(applier)
    response = await put(applier, "/v1/blobs/" + DIGEST.replace(":", colon), DATA)
    assert (response.status, response.body) == (204, b"")


async def test_a_set_that_is_not_newer_says_what_is_held(applier: Applier) -> None:
    await put_set(applier, sequence=5)
    response = await put_set(applier, sequence=4)
    assert response.status == 409
    assert decoded(response)["reason"] == "StaleEpoch"
    assert "sequence 5" in str(decoded(response)["message"])


@pytest.mark.parametrize(("body", "status"), [(b"no token", 403), (b"\xff", 422), (b"", 403)])
async def test_what_is_no_signed_set_is_refused(applier: Applier, body: bytes, status: int) -> None:
    assert (await put(applier, "/v1/desired/shop", body)).status == status


@pytest.mark.parametrize(
    "path", ["/v1/desired/", "/v1/desired/a/b", "/v1/desired/A", "/v1/blobs/sha256:zz"]
)
async def test_other_paths_are_not_there(applier: Applier, path: str) -> None:
    with pytest.raises(RequestRefused):
        await put(applier, path, b"")
