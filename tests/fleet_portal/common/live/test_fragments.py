import pytest
from django.core import signing

from fleet_portal.common.live.fragments import Fragment, Registry, matches, read_page, sign_page


@pytest.mark.parametrize(
    ("topics", "kind", "keys", "redrawn"),
    [
        (["cluster:42"], "cluster", ["42"], True),
        (["cluster:42"], "cluster", ["4"], False),
        (["cluster:any"], "cluster", ["4"], True),
        (["cluster:members"], "cluster", ["4"], False),
        (["cluster:members"], "cluster", ["4", "members"], True),
        (["rollout:42"], "cluster", ["42"], False),
        (["rollout:1", "cluster:42"], "cluster", ["42"], True),
    ],
)
def test_a_change_redraws_what_named_it(
    topics: list[str], kind: str, keys: list[str], redrawn: bool
) -> None:
    assert matches(topics, kind, keys) is redrawn


def test_a_signed_page_reads_back() -> None:
    page = [("clusters-table", ""), ("clusters-row", "42")]
    assert read_page(sign_page(page)) == page


def test_a_page_that_was_tampered_with_is_refused() -> None:
    token = sign_page([("clusters-row", "42")])
    with pytest.raises(signing.BadSignature):
        read_page(token[:-1] + ("A" if token[-1] != "A" else "B"))


def test_a_name_belongs_to_one_fragment() -> None:
    registry = Registry()
    first = Fragment("clusters-row", "a.html", lambda key: [], lambda access, key: {})
    registry.register(first)
    with pytest.raises(ValueError, match="registered twice"):
        registry.register(Fragment("clusters-row", "b.html", first.topics, first.context))
