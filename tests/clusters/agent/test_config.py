import base64
from typing import Any, cast

import pytest

from clusters.agent.config import (
    AgentIdentity,
    ConfigInvalid,
    load_config,
    load_identity,
    load_token,
    parse_pins,
    save_identity,
)
from clusters.agent.kube import AgentKube, ApiNotFound

PIN = "sha256//" + base64.b64encode(bytes(32)).decode()


class FakeKube:
    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {
            "kube-system": {"metadata": {"uid": "uid-1"}},
            "fleet-agent-config": {
                "data": {
                    "url": "https://portal.example:8443/",
                    "pins": PIN,
                    "cluster": "c1",
                    "mode": "manage",
                    "project_namespaces": "shop, shop-db",
                }
            },
        }

    async def get(self, version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
        if name not in self.objects:
            raise ApiNotFound(name)
        return self.objects[name]

    async def text(self, path: str) -> str:
        return '{"gitVersion": "v1.36.3"}'

    async def merge_patch(
        self, version: str, kind: str, namespace: str, name: str, patch: dict[str, Any]
    ) -> None:
        if name not in self.objects:
            raise ApiNotFound(name)
        self.objects[name].setdefault("data", {}).update(patch["data"])

    async def create(self, obj: dict[str, Any]) -> None:
        self.objects[obj["metadata"]["name"]] = obj


@pytest.fixture
def fake() -> FakeKube:
    return FakeKube()


def kube(fake: FakeKube) -> AgentKube:
    return cast(AgentKube, fake)


async def test_the_manifests_objects_say_everything(fake: FakeKube) -> None:
    config = await load_config(kube(fake), "replica-1")
    assert config.url == "https://portal.example:8443"
    assert config.websocket_url == "wss://portal.example:8443/tunnel/v1"
    assert config.pins == {bytes(32)}
    assert config.project_namespaces == ("shop", "shop-db")
    assert (config.cluster_uid, config.instance, config.server_version) == (
        "uid-1",
        "replica-1",
        "v1.36.3",
    )


async def test_without_the_manifest_the_sentence_says_what_to_do(fake: FakeKube) -> None:
    del fake.objects["fleet-agent-config"]
    with pytest.raises(ConfigInvalid, match="apply the manifest"):
        await load_config(kube(fake))


@pytest.mark.parametrize("url", ["", "http://portal", "https://", "https://p/path", "https://p/?a"])
async def test_an_address_that_is_none_is_refused(fake: FakeKube, url: str) -> None:
    fake.objects["fleet-agent-config"]["data"]["url"] = url
    with pytest.raises(ConfigInvalid, match="url"):
        await load_config(kube(fake))


@pytest.mark.parametrize(
    "text", ["sha256//short", base64.b64encode(bytes(32)).decode(), "sha256//!!!", PIN + ",x"]
)
def test_a_pin_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigInvalid):
        parse_pins(text)


def test_no_pins_are_no_pins() -> None:
    assert parse_pins("") == frozenset()


async def test_the_identity_is_kept_in_the_cluster(fake: FakeKube) -> None:
    identity = AgentIdentity("key", "certificate", "ca", ({"kid": "k1"},), "digest")
    assert await load_identity(kube(fake)) is None
    await save_identity(kube(fake), identity)
    assert await load_identity(kube(fake)) == identity
    await save_identity(kube(fake), identity)
    assert await load_identity(kube(fake)) == identity


async def test_the_join_token_is_read_when_it_is_there(fake: FakeKube) -> None:
    assert await load_token(kube(fake)) == ""
    fake.objects["fleet-agent-join"] = {"data": {"token": base64.b64encode(b"t").decode()}}
    assert await load_token(kube(fake)) == "t"
