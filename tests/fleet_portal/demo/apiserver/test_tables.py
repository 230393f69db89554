from datetime import UTC, datetime, timedelta

import pytest

from fleet_portal.demo.apiserver.tables import age, partial, table

from ..conftest import deployment, kind, pod

NOW = datetime(2026, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "5s"), (119, "119s"), (185, "3m5s"), (900, "15m"), (4 * 3600 + 120, "4h2m"),
     (30 * 3600, "30h"), (3 * 86400, "3d")],
)  # fmt: skip
def test_ages_are_worded_as_kubectl_does(seconds: int, words: str) -> None:
    stamp = (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    assert age(stamp, NOW) == words


def test_an_unknown_age_says_so() -> None:
    assert age(None, NOW) == "<unknown>"


def cells(obj):
    made = table(kind(obj["kind"]), [obj], {})
    names = [column["name"] for column in made["columnDefinitions"]]
    return dict(zip(names, made["rows"][0]["cells"], strict=True))


def test_a_deployment_shows_ready_of_wanted() -> None:
    obj = {**deployment(replicas=3), "status": {"readyReplicas": 2}}
    assert cells(obj)["Ready"] == "2/3"


def test_a_pod_shows_why_it_waits() -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff"}}}
    obj = {**pod(), "status": {"phase": "Pending", "containerStatuses": [waiting]}}
    assert cells(obj)["Status"] == "ImagePullBackOff"


def test_rows_carry_what_was_asked_for() -> None:
    pods = kind("Pod")
    carried = [table(pods, [pod()], {}, how)["rows"][0]["object"] for how in ("None", "Object")]
    assert carried == [None, pod()]
    assert table(pods, [pod()], {})["rows"][0]["object"] == partial(pod())
