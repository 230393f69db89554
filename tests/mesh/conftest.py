"""Rows and a fake fleet for tests of the mesh."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mesh.fakes import FakeKube


@pytest.fixture
def kube(monkeypatch: pytest.MonkeyPatch) -> FakeKube:
    from mesh import sources

    fake = FakeKube()
    monkeypatch.setattr(sources, "kube", fake)
    return fake


@pytest.fixture
def project(db: Any) -> Any:
    from tests.factories import make_project

    return make_project("shop-team")


@pytest.fixture
def fleet(project: Any, kube: FakeKube) -> dict[str, Any]:
    """Three connected clusters in three regions: eu-1 and us-1 run orders, ap-1 does not."""
    from tests.mesh.rows import make_member

    kube.runs("eu-1")
    kube.runs("us-1")
    return {name: make_member(project, name) for name in ("eu-1", "us-1", "ap-1")}


@pytest.fixture
def orders(fleet: dict[str, Any], project: Any) -> Any:
    """shop/orders, made reachable across the fleet: every cluster has its route."""
    from mesh import actions
    from tests.mesh.rows import confirm

    service = actions.mark_reachable(project, "shop", "orders", "test")
    confirm(service)
    actions.add_routes(service, "test")
    return service
