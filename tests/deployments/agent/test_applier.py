"""Sets and content: what is taken over, what is refused, what outlives the agent."""

import asyncio
from typing import Any

import pytest

from clusters.domain.objects import canonical_json, digest_of
from deployments.agent.applier import Applier, SetRefused
from tests.deployments.agent.conftest import (
    UID,
    FakeBus,
    FakeKeyring,
    application,
    claims,
    config_map,
    deployment,
    ship,
    sign,
)
from tests.deployments.agent.fake_kube import FakeKube


def is_synced(row: dict[str, Any]) -> bool:
    return bool(row["sync"] == "synced")


async def refused(applier: Applier, token: str, project: str = "shop") -> SetRefused:
    with pytest.raises(SetRefused) as caught:
        await applier.put_desired(project, token)
    return caught.value


async def test_a_set_names_the_content_it_misses(applier: Applier) -> None:
    obj = config_map()
    answer = await applier.put_desired("shop", sign(claims(application(obj))))
    assert answer == {
        "accepted": {"epoch": 1, "sequence": 1},
        "missing": [digest_of(canonical_json(obj))],
    }


async def test_content_that_is_there_is_applied(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    await ship(applier, config_map(colour="red"))
    await bus.row(is_synced)
    found = kube.find("ConfigMap", "settings")
    assert found is not None
    assert found["data"] == {"colour": "red"}
    assert found["metadata"]["labels"]["fleet-portal.io/application"] == "web"


async def test_nothing_is_applied_before_all_content_is_there(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    both = config_map("one"), config_map("two", colour="red")
    await applier.put_desired("shop", sign(claims(application(*both))))
    data = canonical_json(both[0])
    await applier.put_content(digest_of(data), data)
    await bus.row(lambda row: row["sync"] == "pending")
    assert kube.find("ConfigMap", "one") is None


async def test_a_set_with_a_foreign_signature_is_refused(applier: Applier) -> None:
    token = sign(claims(), secret="another key, also 32 bytes long as is usual")
    assert (await refused(applier, token)).status == 403


async def test_a_set_for_another_cluster_is_refused(applier: Applier) -> None:
    assert (await refused(applier, sign(claims(aud="cluster-2")))).status == 422


async def test_a_set_for_another_project_is_refused(applier: Applier) -> None:
    assert (await refused(applier, sign(claims()), project="bank")).status == 422


@pytest.mark.parametrize(
    ("epoch", "sequence"), [(1, 4), (1, 5), (0, 99)], ids=["lower", "equal", "older epoch"]
)
async def test_a_set_that_is_not_newer_is_refused(
    applier: Applier, epoch: int, sequence: int
) -> None:
    await applier.put_desired("shop", sign(claims(sequence=5)))
    late = sign(claims(application(), epoch=epoch, sequence=sequence))
    assert (await refused(applier, late)).reason == "StaleEpoch"


async def test_the_same_set_again_is_welcome(applier: Applier) -> None:
    token = sign(claims(sequence=5))
    await applier.put_desired("shop", token)
    assert (await applier.put_desired("shop", token))["accepted"]["sequence"] == 5


async def test_a_newer_epoch_wins_with_a_lower_sequence(applier: Applier) -> None:
    await applier.put_desired("shop", sign(claims(sequence=5)))
    answer = await applier.put_desired("shop", sign(claims(epoch=2, sequence=1)))
    assert answer["accepted"] == {"epoch": 2, "sequence": 1}


async def test_a_set_that_cannot_be_kept_is_not_acknowledged(
    applier: Applier, kube: FakeKube
) -> None:
    await applier.put_desired("shop", sign(claims()))
    kube.refuse("create", "Secret")
    assert (await refused(applier, sign(claims(sequence=2)))).status == 503
    assert applier.status()["shop"]["sequence"] == 1


@pytest.mark.parametrize(
    ("digest", "data", "status"),
    [
        ("sha256:" + "0" * 64, b"{}", 422),
        (digest_of(b"{}"), b"{}", 409),
        ("sha256:" + "0" * 64, b" " * 1024 * 1025, 413),
    ],
    ids=["wrong digest", "not asked for", "too large"],
)
async def test_content_that_does_not_fit_is_refused(
    applier: Applier, digest: str, data: bytes, status: int
) -> None:
    with pytest.raises(SetRefused) as caught:
        await applier.put_content(digest, data)
    assert caught.value.status == status


async def test_a_restarted_agent_goes_on_without_the_portal(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    await ship(applier, deployment(), web=3)
    await bus.row(is_synced)
    await kube.remove("Deployment", "web")
    again_bus = FakeBus()
    again = Applier(kube, again_bus, FakeKeyring(), UID)
    task = asyncio.create_task(again.run())
    await again_bus.row(is_synced)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    found = kube.find("Deployment", "web")
    assert found is not None
    assert found["spec"]["replicas"] == 3


async def test_status_tells_which_set_is_held(applier: Applier, bus: FakeBus) -> None:
    await ship(applier, config_map(), sequence=7)
    await bus.row(is_synced)
    held = applier.status()["shop"]
    assert (held["epoch"], held["sequence"]) == (1, 7)
    assert held["root"] == bus.latest["targets", "shop"]["root"]


async def test_content_that_no_set_needs_is_let_go(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    await ship(applier, config_map(colour="red"))
    await ship(applier, config_map(colour="green"), sequence=2, revision=2)
    await applier._tidy()
    kept = [key[3] for key in kube.objects if key[3].startswith("fleet-content-")]
    assert len(kept) == 1
    await bus.row(lambda row: is_synced(row) and row["revision"] == 2)
    found = kube.find("ConfigMap", "settings")
    assert found is not None
    assert found["data"] == {"colour": "green"}
