from typing import Any

import pytest

from deployments.domain.sentences import Refusal
from deployments.domain.waves import plan_waves, read_soak, read_waves
from tests.deployments.domain.facts import cluster

FLEET = [cluster("eu-1"), cluster("eu-2"), cluster("us-1", "us", labels={"a": "b"})]


def planned(*given: dict[str, Any]) -> list[tuple[str, list[str]]]:
    waves = plan_waves(read_waves(list(given), 10.0), FLEET, 10.0)
    return [(wave.name, [facts.name for facts in wave.clusters]) for wave in waves]


def test_without_waves_all_go_with_the_rest() -> None:
    assert planned() == [("rest", ["eu-1", "eu-2", "us-1"])]


def test_the_first_wave_that_picks_a_cluster_takes_it() -> None:
    assert planned({"name": "canary", "clusters": ["eu-1"]}, {"regions": ["eu"]}) == [
        ("canary", ["eu-1"]),
        ("wave 2", ["eu-2"]),
        ("rest", ["us-1"]),
    ]


def test_there_is_no_empty_rest() -> None:
    assert [name for name, _ in planned({"regions": ["eu", "us"]})] == ["wave 1"]


def test_a_wave_that_would_be_empty_is_refused() -> None:
    with pytest.raises(Refusal, match="Wave “canary” would be empty"):
        planned({"regions": ["eu", "us"]}, {"name": "canary", "clusters": ["eu-1"]})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("x", "Waves are a list of at most 50"),
        ([{}] * 51, "Waves are a list of at most 50"),
        (["x"], "Wave 1 is not a mapping"),
        ([{"cluster": "a"}], "by “clusters”"),
        ([{"clusters": ["a"], "soak_seconds": -1}], "A soak time"),
        ([{"clusters": ["a"], "soak_seconds": "5"}], "A soak time"),
    ],
)
def test_refuses_other_shapes(given: Any, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        read_waves(given, 10.0)


@pytest.mark.parametrize(("given", "seconds"), [(None, 10.0), (0, 0.0), (2.5, 2.5)])
def test_reads_soak_times(given: Any, seconds: float) -> None:
    assert read_soak(given, 10.0) == seconds


@pytest.mark.parametrize("given", [True, -1, 1e9, float("nan"), "5"])
def test_refuses_soak_times(given: Any) -> None:
    with pytest.raises(Refusal, match="A soak time"):
        read_soak(given, 10.0)
