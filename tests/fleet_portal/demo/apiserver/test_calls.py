import pytest

from fleet_portal.demo.apiserver.authn import ANONYMOUS
from fleet_portal.demo.apiserver.calls import Call
from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.requests import parse_request

from ..conftest import Ask, config_map

MAPS = "/api/v1/namespaces/shop/configmaps"


def call(agent: str = "", **query: str) -> Call:
    info = parse_request("GET", MAPS, False)
    assert info is not None
    return Call(info, query, "application/json", b"", agent, ANONYMOUS)


def test_the_manager_is_named_or_told_by_the_program() -> None:
    assert call("kubectl/v1.36 (linux)", fieldManager="me").manager == "me"
    assert call("kubectl/v1.36 (linux)").manager == "kubectl"
    assert call().manager == "unknown"


def test_a_dry_run_is_all_or_nothing() -> None:
    assert (call().dry_run, call(dryRun="All").dry_run) == (False, True)
    with pytest.raises(ApiError, match="Unsupported value"):
        assert call(dryRun="Some").dry_run


async def test_an_unknown_kind_of_patch_is_refused(ask: Ask) -> None:
    await ask("POST", MAPS, config_map())
    assert (await ask("PATCH", f"{MAPS}/cfg", {}, content_type="text/plain"))[0] == 415
