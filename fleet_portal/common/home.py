"""The parts of the fleet's home page: apps add theirs, as this package knows no app."""

from dataclasses import dataclass

from fleet_portal.common.live.fragments import Fragment, registry


@dataclass(frozen=True)
class Panel:
    """One fragment on the home page. `order`: low first; `wide`: takes the full width."""

    order: int
    fragment: Fragment
    wide: bool = False


class Panels:
    """The panels of the home page, by order."""

    def __init__(self) -> None:
        self._panels: dict[str, Panel] = {}

    def register(self, order: int, fragment: Fragment, wide: bool = False) -> Fragment:
        """Show `fragment`, drawn with an empty key, on the home page; registers it as well."""
        registry.register(fragment)
        self._panels[fragment.name] = Panel(order, fragment, wide)
        return fragment

    def in_order(self) -> list[Panel]:
        return sorted(self._panels.values(), key=lambda panel: (panel.order, panel.fragment.name))


panels = Panels()
