import pytest

from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.validation import check

from ..conftest import config_map, deployment, kind


def refusal(obj, live=None) -> str:
    with pytest.raises(ApiError) as error:
        check(kind(obj["kind"]), obj, live)
    return str(error.value)


def test_a_good_object_passes() -> None:
    check(kind("Deployment"), deployment(), None)


def test_a_bad_name_is_told_with_the_rule() -> None:
    assert "a lowercase RFC 1123 subdomain must consist of" in refusal(config_map("Not_Good"))


def test_a_selector_must_match_the_template() -> None:
    obj = deployment(selector={"matchLabels": {"app": "other"}})
    assert "`selector` does not match template `labels`" in refusal(obj)


def test_containers_need_name_and_image() -> None:
    obj = deployment()
    obj["spec"]["template"]["spec"]["containers"] = [{}, {"name": "a", "image": "b"}]
    said = refusal(obj)
    assert "containers[0].name: Required value" in said
    assert "containers[0].image: Required value" in said


def test_the_same_container_twice_is_refused() -> None:
    obj = deployment()
    container = {"name": "a", "image": "b"}
    obj["spec"]["template"]["spec"]["containers"] = [container, container]
    assert 'containers[1].name: Duplicate value: "a"' in refusal(obj)


def test_a_selector_cannot_change() -> None:
    changed = deployment(selector={"matchLabels": {"app": "web", "x": "y"}})
    changed["spec"]["template"]["metadata"]["labels"]["x"] = "y"
    assert "spec.selector: Invalid value" in refusal(changed, deployment())


def test_several_ports_need_names() -> None:
    metadata = {"name": "s", "namespace": "shop"}
    spec = {"ports": [{"port": 1}, {"port": 70000}]}
    said = refusal({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    assert "spec.ports[0].name: Required value" in said
    assert "must be between 1 and 65535" in said
