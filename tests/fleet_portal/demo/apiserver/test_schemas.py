from fleet_portal.demo.apiserver.kinds import RESOURCES
from fleet_portal.demo.apiserver.schemas import (
    ANY,
    ANY_ATOMIC,
    compile_type,
    merges_primitives,
    schema_name,
    type_of,
)


def at(*names: str):
    kind = type_of("apps", "v1", "Deployment")
    for name in names:
        kind = kind.element if name == "[]" else kind.child(name)
    return kind


CONTAINERS = ("spec", "template", "spec", "containers")


def test_every_kind_served_has_a_schema() -> None:
    missing = [r.kind for r in RESOURCES if schema_name(r.group, r.version, r.kind) is None]
    assert missing == []


def test_lists_are_keyed_as_the_openapi_says() -> None:
    assert at(*CONTAINERS).keys == ("name",)
    assert at(*CONTAINERS, "[]", "ports").keys == ("containerPort", "protocol")


def test_a_list_without_keys_is_one_leaf() -> None:
    assert at(*CONTAINERS, "[]", "args").atomic


def test_a_label_selector_is_one_leaf() -> None:
    assert at("spec", "selector").atomic


def test_defaults_stand_beside_references() -> None:
    assert at(*CONTAINERS, "[]", "ports", "[]", "protocol").default == "TCP"


def test_unknown_fields_are_not_declared() -> None:
    assert not at("spec").declares("nonsense")
    assert at("spec", "nonsense") is ANY


def test_what_is_always_there_has_its_empty_value() -> None:
    assert at("spec").always_there() == {"strategy": {}, "template": {}}
    assert at("spec", "template", "spec").always_there()["containers"] == []


def test_lists_of_plain_values_may_be_joined_by_patches() -> None:
    assert merges_primitives(type_of("", "v1", "Pod").child("metadata").child("finalizers"))


def test_free_form_objects_are_open() -> None:
    assert compile_type({"type": "object"}) is ANY_ATOMIC
    kept = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    assert compile_type(kept) is ANY
