from typing import Any

import pytest

from deployments.domain.content import read_content
from deployments.domain.sentences import Refusal
from deployments.domain.simple import read_env, simple_manifests


def test_an_image_becomes_a_deployment() -> None:
    content = read_content(simple_manifests("web", "r.example/web:1", 3, None, []), "shop")
    assert content.replicas == {"apps/Deployment/shop/web": 3}


def test_a_port_brings_a_service_that_selects_the_pods() -> None:
    deployment, service = simple_manifests("web", "web:1", 1, 8080, [("A", "b")])
    template = deployment["spec"]["template"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    # As a number, so that the mesh can share the service.
    assert service["spec"]["ports"][0] == {"name": "http", "port": 8080, "targetPort": 8080}
    assert template["spec"]["containers"][0]["env"] == [{"name": "A", "value": "b"}]


def test_refuses_what_is_no_image() -> None:
    with pytest.raises(Refusal, match="“two words” is not an image"):
        simple_manifests("web", "two words", 1, None, [])


def test_reads_variables() -> None:
    assert read_env("A=1\n# note\n\n B = two=2 \n") == [("A", "1"), ("B", "two=2")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("A", "Line 1 is not a variable"),
        ("A=1\n=2", "Line 2 is not a variable"),
        ("A B=1", "Line 1 is not a variable"),
        ("A=1\nA=2", "The variable A stands twice"),
    ],
)
def test_refuses_other_lines(text: str, sentence: Any) -> None:
    with pytest.raises(Refusal, match=sentence):
        read_env(text)
