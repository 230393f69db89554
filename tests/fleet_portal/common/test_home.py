import pytest

from fleet_portal.common.home import Panels
from fleet_portal.common.live.fragments import Fragment, registry


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> tuple[Fragment, Fragment]:
    monkeypatch.setattr(registry, "_by_name", {})
    one, other = (Fragment(name, "x.html", lambda k: [], lambda a, k: {}) for name in ("a", "b"))
    return one, other


def test_panels_come_by_their_order(two: tuple[Fragment, Fragment]) -> None:
    panels = Panels()
    panels.register(20, two[0])
    panels.register(10, two[1], wide=True)
    assert [(panel.fragment.name, panel.wide) for panel in panels.in_order()] == [
        ("b", True),
        ("a", False),
    ]


def test_a_panel_is_a_live_fragment_as_well(two: tuple[Fragment, Fragment]) -> None:
    Panels().register(10, two[0])
    assert "a" in registry
