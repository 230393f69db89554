import pytest

from clusters.domain.names import ListedNames, is_fleet_name, names_for


@pytest.mark.parametrize(
    ("mode", "users"),
    [
        ("observe", ["fleet:controller:observer"]),
        ("use", ["fleet:controller:observer", "fleet:person"]),
        ("manage", ["fleet:controller:observer", "fleet:person", "fleet:project:shop"]),
    ],
)
def test_users_by_mode(mode: str, users: list[str]) -> None:
    assert names_for(mode, ["web"], ["shop"]).as_json()["users"] == users


def test_groups_come_with_people() -> None:
    assert names_for("observe", ["web"], []).groups == ()
    assert names_for("use", ["web"], []).groups == (
        "fleet:users",
        "fleet:role:viewer",
        "fleet:role:operator",
        "fleet:role:administrator",
        "fleet:team:web",
    )


def test_names_do_not_depend_on_the_order_given() -> None:
    assert names_for("manage", ["b", "a"], ["y", "x"]) == names_for("manage", "ab", "xy")
    assert names_for("manage", [], []) != ListedNames()


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("fleet:person", True),
        ("fleet:user:ada@example.org", True),
        ("system:masters", False),
        ("fleet:", False),
        ("fleet:A", False),
        ("fleet:a\n", False),
        ("fleet:a b", False),
        ("fleet:" + "x" * 121, False),
        ("", False),
    ],
)
def test_what_may_be_impersonated(name: str, fits: bool) -> None:
    assert is_fleet_name(name) is fits
