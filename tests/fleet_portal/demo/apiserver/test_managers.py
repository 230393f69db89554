import json

import pytest

from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.managers import (
    BEFORE_FIRST_APPLY,
    MAX_UPDATE_MANAGERS,
    Writer,
    apply,
    decode,
    owners,
    record_update,
)
from fleet_portal.demo.apiserver.schemas import type_of

KIND = type_of("", "v1", "ConfigMap")
A, B = ("f:data", "f:a"), ("f:data", "f:b")


def obj(**data: str):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


def writer(name: str, now: str = "2026-01-01T00:00:00Z") -> Writer:
    return Writer(name, "v1", now)


def test_what_an_applier_no_longer_sends_goes() -> None:
    first = apply(KIND, None, obj(a="1", b="2"), writer("x"), False)
    assert apply(KIND, first, obj(a="1"), writer("x"), False)["data"] == {"a": "1"}


def test_what_another_owns_too_stays() -> None:
    first = apply(KIND, None, obj(a="1", b="2"), writer("x"), False)
    both = apply(KIND, first, obj(b="2"), writer("y"), False)
    after = apply(KIND, both, obj(a="1"), writer("x"), False)
    assert after["data"] == {"a": "1", "b": "2"}
    assert owners(after, B) == ["y"]


def test_changing_what_another_owns_is_a_conflict_that_names_it() -> None:
    first = apply(KIND, None, obj(a="1"), writer("x"), False)
    with pytest.raises(ApiError, match=r'conflict with "x": \.data\.a') as refusal:
        apply(KIND, first, obj(a="2"), writer("y"), False)
    assert refusal.value.code == 409


def test_force_takes_the_field_over() -> None:
    first = apply(KIND, None, obj(a="1"), writer("x"), False)
    assert owners(apply(KIND, first, obj(a="2"), writer("y"), True), A) == ["y"]


def test_the_same_value_is_shared() -> None:
    first = apply(KIND, None, obj(a="1"), writer("x"), False)
    assert owners(apply(KIND, first, obj(a="1"), writer("y"), False), A) == ["x", "y"]


def test_an_update_owns_what_it_changed_alone() -> None:
    first = apply(KIND, None, obj(a="1", b="1"), writer("x"), False)
    after = record_update(KIND, first, {**first, "data": {"a": "2", "b": "1"}}, writer("u"))
    assert (owners(after, A), owners(after, B)) == (["u"], ["x"])


def test_an_update_that_changes_nothing_owns_nothing() -> None:
    first = record_update(KIND, None, obj(a="1"), writer("x"))
    assert record_update(KIND, first, first, writer("y")) == first


def test_what_was_there_before_the_first_apply_has_a_name() -> None:
    after = apply(KIND, obj(a="1"), obj(b="2"), writer("x"), False)
    assert owners(after, A) == [BEFORE_FIRST_APPLY]


def test_an_empty_list_of_managers_forgets_them() -> None:
    first = apply(KIND, None, obj(a="1"), writer("x"), False)
    metadata = {**first["metadata"], "managedFields": []}
    after = record_update(KIND, first, {**first, "metadata": metadata}, writer("u"))
    assert decode(after) == {}


def test_appliers_come_first_and_keep_their_time_when_nothing_changes() -> None:
    first = record_update(KIND, None, obj(b="1"), writer("u"))
    second = apply(KIND, first, obj(a="1"), writer("x", "T1"), False)
    third = apply(KIND, second, obj(a="1"), writer("x", "T2"), False)
    entries = third["metadata"]["managedFields"]
    assert [(e["manager"], e["operation"]) for e in entries] == [("x", "Apply"), ("u", "Update")]
    assert entries[0]["time"] == "T1"


def test_kubectl_takes_over_what_client_side_apply_set() -> None:
    note = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"1"}}'
    sent = obj(a="1")
    sent["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": note}
    first = record_update(KIND, None, sent, writer("kubectl-client-side-apply"))
    after = apply(KIND, first, obj(a="2"), writer("kubectl"), False)
    assert after["data"] == {"a": "2"}
    (kept,) = after["metadata"]["annotations"].values()
    assert json.loads(kept) == obj(a="2")


def test_old_updaters_are_joined() -> None:
    live = record_update(KIND, None, obj(), writer("first"))
    for number in range(MAX_UPDATE_MANAGERS + 5):
        data = {**live["data"], f"k{number}": "v"}
        live = record_update(
            KIND, live, {**live, "data": data}, writer(f"m{number}", f"T{number:02}")
        )
    assert len(decode(live)) <= MAX_UPDATE_MANAGERS
    assert owners(live, ("f:data", "f:k0")) == ["ancient-changes"]
