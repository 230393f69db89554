"""Typed changes: what they do, whom they hit, which wins, and which are refused."""

from typing import Any

import pytest

from deployments.domain.content import Content
from deployments.domain.overrides import (
    Override,
    apply_changes,
    missed_operations,
    read_operations,
    resolve,
    without_missed,
)
from deployments.domain.placement import read_selection
from deployments.domain.sentences import Refusal
from tests.deployments.domain.facts import content, deployment

TWO = ({"name": "web", "image": "web:1"}, {"name": "log", "image": "log:1"})


def override(*operations: Any, name: str = "o", priority: int = 0, **selector: Any) -> Override:
    selection = read_selection(selector or {"regions": ["eu"]}, "overrides")
    return Override(name, priority, selection, read_operations(list(operations), name))


def applied(given: Content, *overrides: Override) -> tuple[Any, dict[str, int]]:
    objects, counts = apply_changes(given, resolve(overrides, given), given.replicas)
    return [item.obj for item in objects], counts


def containers(given: Content, *overrides: Override) -> list[Any]:
    found: list[Any] = applied(given, *overrides)[0][0]["spec"]["template"]["spec"]["containers"]
    return found


@pytest.mark.parametrize(
    ("operation", "images"),
    [
        ({"op": "image", "tag": "2"}, ["web:2", "log:2"]),
        ({"op": "image", "container": "log", "tag": "2"}, ["web:1", "log:2"]),
        ({"op": "image", "registry": "r.example"}, ["r.example/web:1", "r.example/log:1"]),
        ({"op": "image", "repository": "x/y", "tag": "3", "container": "web"}, ["x/y:3", "log:1"]),
    ],
)
def test_changes_images(operation: Any, images: list[str]) -> None:
    found = containers(content(deployment("web", *TWO)), override(operation))
    assert [container["image"] for container in found] == images


def test_sets_replaces_and_removes_variables() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"x": "y"}}, {"name": "C"}]
    given = content(deployment("web", {"name": "web", "image": "a", "env": env}))
    change = override(
        {"op": "env", "variable": "B", "value": "2"},
        {"op": "env", "variable": "C", "value": None},
        {"op": "env", "variable": "D", "value": "4"},
    )
    assert containers(given, change)[0]["env"] == [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "2"},
        {"name": "D", "value": "4"},
    ]


def test_sets_single_resources() -> None:
    given = content(deployment("web", {"name": "web", "resources": {"requests": {"cpu": "1"}}}))
    change = override({"op": "resources", "requests": {"memory": "1Gi"}, "limits": {"cpu": 2}})
    assert containers(given, change)[0]["resources"] == {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"cpu": "2"},
    }


def test_replicas_change_the_count_and_not_the_content() -> None:
    given = content(deployment(replicas=2))
    objects, counts = applied(given, override({"op": "replicas", "replicas": 5}))
    assert counts == {"apps/Deployment/shop/web": 5}
    assert objects[0] is given.objects[0].obj


def test_finds_the_containers_of_a_cron_job() -> None:
    pod = {"spec": {"containers": [{"name": "job", "image": "job:1"}]}}
    cron = {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"},
        "spec": {"jobTemplate": {"spec": {"template": pod}}},
    }  # fmt: skip
    obj = applied(content(cron), override({"op": "image", "tag": "2"}))[0][0]
    template = obj["spec"]["jobTemplate"]["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "job:2"


def test_never_changes_the_content_it_was_given() -> None:
    given = content(deployment("web", *TWO))
    before = given.digest
    applied(given, override({"op": "image", "tag": "2"}))
    assert given.digest == before
    assert given.objects[0].obj["spec"]["template"]["spec"]["containers"][0]["image"] == "web:1"


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        ({"priority": 1}, {"priority": 2}),
        ({"priority": 9}, {"priority": 0, "clusters": ["eu-1"]}),
        ({"priority": -5}, {"priority": 0}),
    ],
)
def test_the_stronger_wins_in_any_order(weaker: Any, stronger: Any) -> None:
    low = override({"op": "image", "tag": "low"}, name="low", **weaker)
    high = override({"op": "image", "tag": "high"}, name="high", **stronger)
    for order in ((low, high), (high, low)):
        assert containers(content(), *order)[0]["image"] == "r.example/web:high"


def test_equal_rank_on_the_same_field_is_an_error() -> None:
    one = override({"op": "image", "tag": "a"}, name="one")
    two = override({"op": "image", "tag": "b"}, name="two")
    with pytest.raises(Refusal, match="Overrides one and two have the same priority and both set "
                                      r"image.tag of Deployment web"):  # fmt: skip
        resolve([two, one], content())


def test_equal_rank_on_other_fields_is_fine() -> None:
    one = override({"op": "image", "tag": "a"}, name="one")
    two = override({"op": "env", "variable": "A", "value": "b"}, name="two")
    assert len(resolve([one, two], content())) == 2


MISSES = [
    ({"op": "image", "workload": "wep", "tag": "1"}, "“wep” hits nothing. There are: web/web"),
    ({"op": "image", "container": "x", "tag": "1"}, "image for “x” hits nothing"),
    ({"op": "replicas", "workload": "x", "replicas": 1}, "replicas for “x” hits nothing"),
    ({"op": "env", "workload": "web", "container": "x", "variable": "A", "value": ""},
     "env for “web/x” hits nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "sentence"), MISSES)
def test_an_operation_that_hits_nothing_is_an_error(operation: Any, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        resolve([override(operation)], content())


def test_misses_can_be_named_and_left_out() -> None:
    change = override({"op": "image", "tag": "2"}, {"op": "image", "container": "x", "tag": "2"})
    assert len(missed_operations(change, content())) == 1
    assert len(without_missed(change, content()).operations) == 1


def test_a_readable_image_is_needed_to_change_it() -> None:
    given = content(deployment("web", {"name": "web", "image": "???"}))
    with pytest.raises(Refusal, match="no readable image"):
        applied(given, override({"op": "image", "tag": "2"}))


@pytest.mark.parametrize(
    ("operations", "sentence"),
    [
        ([], "changes nothing"),
        ("x", "changes nothing"),
        (["x"], "is no operation; there are image, env, replicas, resources"),
        ([{"op": "delete"}], "“delete” is no operation"),
        ([{"op": "image"}], "needs a valid value"),
        ([{"op": "image", "tag": "a b"}], "needs a valid value"),
        ([{"op": "image", "tag": 5}], "needs a valid value"),
        ([{"op": "image", "tag": "1", "digest": "x"}], "needs a valid value"),
        ([{"op": "image", "tagg": "1"}], "does not know “tagg”"),
        ([{"op": "image", "tag": "1", "workload": 3}], "does not know"),
        ([{"op": "env", "variable": "A=B", "value": "c"}], "needs a valid value"),
        ([{"op": "env", "variable": "A", "value": 5}], "needs a valid value"),
        ([{"op": "replicas", "replicas": -1}], "needs a valid value"),
        ([{"op": "replicas", "replicas": True}], "needs a valid value"),
        ([{"op": "replicas", "replicas": "3"}], "needs a valid value"),
        ([{"op": "resources", "requests": {"cpu": "much"}}], "needs a valid value"),
        ([{"op": "resources", "requests": ["cpu"]}], "needs a valid value"),
        ([{"op": "resources", "limits": {"cpu": "-1"}}], "needs a valid value"),
    ],
)
def test_refuses_unclear_operations(operations: Any, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        read_operations(operations, "o")
