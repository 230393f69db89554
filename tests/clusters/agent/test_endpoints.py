import pytest

from clusters.agent.assertions import Assertion
from clusters.agent.endpoints import AgentRequest, AgentResponse, Router, check_caller
from clusters.tunnel.requests import RequestRefused


async def handler(request: AgentRequest) -> AgentResponse:
    return AgentResponse()


ROUTER = Router({("PUT", r"/v1/desired/(?P<project>[a-z-]+)"): handler})


def test_a_request_finds_its_handler() -> None:
    assert ROUTER.find("PUT", "/v1/desired/shop") == (handler, {"project": "shop"})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/desired/shop", 405),
        ("PUT", "/v1/desired/shop/more", 404),
        ("PUT", "/v1/other", 404),
    ],
)
def test_other_requests_are_refused(method: str, path: str, status: int) -> None:
    with pytest.raises(RequestRefused) as refused:
        ROUTER.find(method, path)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("name", "to"),
    [
        ("fleet:user:ada", "agent"),
        ("fleet:project:shop", "agent"),
        ("fleet:controller:deployer", "api"),
    ],
)
def test_only_controllers_speak_to_the_agent(name: str, to: str) -> None:
    with pytest.raises(RequestRefused):
        check_caller(Assertion(name, to, 0.0, False, b""))


def test_a_controller_may() -> None:
    check_caller(Assertion("fleet:controller:deployer", "agent", 0.0, False, b""))
