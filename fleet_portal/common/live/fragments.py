"""A Fragment is a part of a page that redraws itself: one template, one context, its topics.

The same Fragment renders inside the page, answers a GET (polling) and is pushed. Its root
element carries the id `<app>-<part>[-<key>]`, by which htmx swaps it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.template.loader import render_to_string

from fleet_portal.common.access import Access
from fleet_portal.common.live.topics import ANY

Context = Callable[[Access, str], Mapping[str, Any] | None]
Topics = Callable[[str], list[str]]

_SALT = "fleet-portal.live"


@dataclass(frozen=True)
class Fragment:
    """`name`: `<app>-<part>`. `topics(key)`: `kind:id`, `kind:any` or `kind:members`.

    `context(access, key)` returns what the template needs, or None when this viewer may not see
    it or it is gone: the fragment is then drawn empty. `personal`: never shared between viewers.
    """

    name: str
    template: str
    topics: Topics
    context: Context
    personal: bool = False

    def element_id(self, key: str) -> str:
        return f"{self.name}-{key}" if key else self.name

    def render(self, access: Access, key: str = "", out_of_band: bool = False) -> str:
        context = self.context(access, key)
        values = dict(context or {})
        values |= {
            "fragment_id": self.element_id(key),
            "fragment_gone": context is None,
            "oob": out_of_band,
            "access": access,
        }
        template = self.template if context is not None else "components/fragment_gone.html"
        return render_to_string(template, values)


class Registry:
    """All fragments by name; apps register theirs in AppConfig.ready()."""

    def __init__(self) -> None:
        self._by_name: dict[str, Fragment] = {}

    def register(self, fragment: Fragment) -> Fragment:
        known = self._by_name.get(fragment.name)
        if known is not None and known != fragment:
            raise ValueError(f"Fragment {fragment.name} is registered twice.")
        self._by_name[fragment.name] = fragment
        return fragment

    def __getitem__(self, name: str) -> Fragment:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def names(self) -> list[str]:
        return sorted(self._by_name)


registry = Registry()


def matches(topics: list[str], kind: str, keys: list[str]) -> bool:
    """Tell whether a change of `keys` of `kind` redraws a fragment with these topics."""
    for topic in topics:
        topic_kind, _, wanted = topic.partition(":")
        if topic_kind == kind and (wanted == ANY or wanted in keys):
            return True
    return False


def sign_page(fragments: list[tuple[str, str]]) -> str:
    """Return the signed list of (name, key) that a page shows, for its socket's URL."""
    return signing.dumps([list(item) for item in fragments], salt=_SALT, compress=True)


def read_page(token: str) -> list[tuple[str, str]]:
    """Return what `sign_page` signed; raises signing.BadSignature on anything else."""
    return [(name, key) for name, key in signing.loads(token, salt=_SALT, max_age=7 * 86400)]
