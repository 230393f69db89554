import pytest

from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.kinds import BY_KIND
from fleet_portal.demo.apiserver.selectors import both, field_matcher, label_matcher

POD = {
    "metadata": {"name": "p", "namespace": "shop", "labels": {"app": "web"}},
    "spec": {"nodeName": "n1"},
    "status": {"phase": "Running"},
}
PODS = BY_KIND["", "Pod"]


@pytest.mark.parametrize(
    ("text", "accepted"),
    [("app=web", True), ("app!=web", False), ("app in (a,web)", True), ("!tier", True),
     ("tier", False), ("app=web,tier=x", False)],
)  # fmt: skip
def test_labels(text: str, accepted: bool) -> None:
    matches = label_matcher(text)
    assert matches is not None
    assert matches(POD) is accepted


@pytest.mark.parametrize(
    ("text", "accepted"),
    [("metadata.name=p", True), ("spec.nodeName=n2", False), ("status.phase!=Pending", True)],
)
def test_fields(text: str, accepted: bool) -> None:
    matches = field_matcher(PODS, text)
    assert matches is not None
    assert matches(POD) is accepted


def test_a_field_that_cannot_select_is_refused() -> None:
    with pytest.raises(ApiError, match=r"field label not supported: spec\.hostname"):
        field_matcher(PODS, "spec.hostname=x")


def test_labels_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ApiError, match="unable to parse"):
        label_matcher("a b")


def test_nothing_selects_everything() -> None:
    assert label_matcher("") is None
    assert both(None, None) is None
