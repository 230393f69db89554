from typing import Any

from deployments.domain.diffs import MAX_LINES, diff_objects, readable_yaml


def obj(**values: Any) -> dict[str, Any]:
    return {"kind": "ConfigMap", "metadata": {"name": "a"}, **values}


def test_shows_lines_that_come_and_go() -> None:
    lines = diff_objects(obj(data={"a": "1"}), obj(data={"a": "2"})).splitlines()
    assert "-  a: '1'" in lines
    assert "+  a: '2'" in lines


def test_what_only_the_server_sets_is_no_difference() -> None:
    live = obj(status={"x": 1})
    live["metadata"] |= {
        "uid": "u", "resourceVersion": "9", "generation": 3, "managedFields": [{}],
        "annotations": {"fleet-portal.io/revision": "1"},
    }  # fmt: skip
    assert diff_objects(live, obj()) == ""


def test_an_absent_object_is_all_new() -> None:
    assert diff_objects(None, obj()).splitlines()[3:] == [
        "+kind: ConfigMap",
        "+metadata:",
        "+  name: a",
    ]


def test_values_of_secrets_never_show() -> None:
    live = {"kind": "Secret", "metadata": {}, "data": {"a": "b2xk", "b": "c2FtZQ"}}
    new = {"kind": "Secret", "metadata": {}, "data": {"a": "bmV3", "b": "c2FtZQ"}}
    text = diff_objects(live, new)
    assert "+  a: (hidden, changed)" in text
    assert not any(secret in text for secret in ("b2xk", "bmV3", "c2FtZQ"))


def test_secrets_are_masked_when_read_alone() -> None:
    assert "hush" not in readable_yaml({"kind": "Secret", "stringData": {"a": "hush"}})


def test_long_differences_are_cut() -> None:
    new = obj(data={f"k{n}": "v" for n in range(MAX_LINES + 100)})
    assert "more lines" in diff_objects(None, new).splitlines()[-1]
