import pytest

from deployments.agent.desired import read_desired_set
from deployments.domain.desired import (
    WantedApplication,
    desired_claims,
    retry_after_seconds,
    root_digest,
)
from tests.deployments.domain.facts import content


def wanted(name: str = "web") -> WantedApplication:
    found = content()
    entries = [item.as_json() for item in found.objects]
    return WantedApplication(name, 3, found.digest, {"apps/Deployment/shop/web": 2}, entries)


def test_the_agent_reads_what_the_portal_writes() -> None:
    claims = desired_claims("uid", "shop", 2, 7, [wanted()])
    read = read_desired_set(claims, "token", "uid")
    assert (read.project, read.order) == ("shop", (2, 7))
    application = read.applications[0]
    assert (application.name, application.revision) == ("web", 3)
    assert application.objects[0].replicas == 2


def test_the_root_knows_no_epoch_and_no_order() -> None:
    first = desired_claims("uid", "shop", 1, 1, [wanted("a"), wanted("b")])
    second = desired_claims("uid", "shop", 2, 9, [wanted("b"), wanted("a")])
    assert root_digest(first) == root_digest(second)


@pytest.mark.parametrize(
    ("attempts", "jitter", "seconds"),
    [(0, 0, 2), (1, 0, 4), (3, 1, 19.2), (5, 0, 60), (500, 1, 72)],
)
def test_waits_grow_to_a_minute(attempts: int, jitter: float, seconds: float) -> None:
    assert retry_after_seconds(attempts, jitter) == pytest.approx(seconds)
