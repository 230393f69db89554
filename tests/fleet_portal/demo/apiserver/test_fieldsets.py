import pytest

from fleet_portal.demo.apiserver import fieldsets as f

A, B = ("f:a",), ("f:a", "f:b")


def test_a_leaf_is_an_empty_node_and_a_member_with_children_says_so() -> None:
    assert f.from_paths([A]) == {"f:a": {}}
    assert f.from_paths([B]) == {"f:a": {"f:b": {}}}
    assert f.from_paths([A, B]) == {"f:a": {".": {}, "f:b": {}}}


def test_the_way_to_a_member_is_not_in_the_set() -> None:
    assert not f.has(f.from_paths([B]), A)
    assert f.has(f.from_paths([B]), B)


def test_union_keeps_both() -> None:
    assert f.union(f.from_paths([A]), f.from_paths([B])) == f.from_paths([A, B])


@pytest.mark.parametrize(
    ("left", "right", "rest"),
    [([A, B], [A], [B]), ([A, B], [B], [A]), ([B], [A], [B]), ([A], [A], [])],
)
def test_difference_takes_exactly_what_is_named(left, right, rest) -> None:
    assert f.difference(f.from_paths(left), f.from_paths(right)) == f.from_paths(rest)


def test_intersection_needs_the_same_paths() -> None:
    assert f.intersection(f.from_paths([A, B]), f.from_paths([B])) == f.from_paths([B])
    assert f.intersection(f.from_paths([A]), f.from_paths([B])) == {}


def test_cutting_takes_everything_below() -> None:
    fields = f.from_paths([A, B, ("f:c",)])
    assert f.without_below(fields, [A]) == f.from_paths([("f:c",)])
    assert f.without_below(fields, [("f:a", "f:x")]) == fields


def test_paths_are_read_as_conflicts_print_them() -> None:
    path = ("f:spec", f.key_element({"name": "web", "port": 80}), "f:image", f.value_element("x"))
    assert f.readable(path) == '.spec[name="web",port=80].image[="x"]'


def test_every_path_is_listed_once() -> None:
    assert list(f.paths(f.from_paths([B, A]))) == [A, B]
