"""Where real clusters can't run, tests say why; in CI that is a failure."""

import pytest

from tests.real import netns
from tests.real.fixtures import require


def test_outside_the_namespace_tests_skip_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FLEET_NO_SKIP", raising=False)
    monkeypatch.setattr(netns, "inside", lambda: False)
    with pytest.raises(pytest.skip.Exception, match=r"python -m tests\.real\.netns"):
        require("etcd")


def test_what_is_not_built_is_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FLEET_NO_SKIP", raising=False)
    monkeypatch.setattr(netns, "inside", lambda: True)
    with pytest.raises(pytest.skip.Exception, match=r"nothing.*python -m tests\.real\.build"):
        require("nothing")


def test_where_no_skip_is_allowed_it_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_NO_SKIP", "1")
    monkeypatch.setattr(netns, "inside", lambda: False)
    with pytest.raises(pytest.fail.Exception):
        require("etcd")
