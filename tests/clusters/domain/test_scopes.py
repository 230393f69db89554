import pytest

from clusters.domain.scopes import ScopeInvalid, check_namespaces, parse_namespaces, parse_scopes


def test_lines_become_scopes() -> None:
    assert parse_scopes("default: shop, orders\n\nweb: web") == {
        "default": ["orders", "shop"],
        "web": ["web"],
    }


@pytest.mark.parametrize(
    "text",
    [
        "default",
        "default:",
        ": shop",
        "a: x\na: y",
        "a: kube-system",
        "a: fleet-system",
        "a: Shop",
        "a: -x",
        "a: " + "x" * 64,
        "a: sh\u00f6p",
        "a: *",
    ],
)
def test_wrong_lines_are_refused(text: str) -> None:
    with pytest.raises(ScopeInvalid):
        parse_scopes(text)


def test_namespaces_are_sorted_and_once() -> None:
    assert check_namespaces(["b", "a", "b"]) == ["a", "b"]


def test_a_hundred_is_enough() -> None:
    with pytest.raises(ScopeInvalid, match="at most 100"):
        check_namespaces([f"n{number}" for number in range(101)])


def test_names_may_be_separated_in_any_way() -> None:
    assert parse_namespaces(" a,b\nc  d,, ") == ["a", "b", "c", "d"]
