from datetime import UTC, datetime
from typing import Any

import pytest

from clusters import reports

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "_handlers", {})


def test_a_report_goes_to_the_handler_of_its_kind() -> None:
    seen: list[Any] = []
    reports.register("api", lambda *arguments: seen.append(arguments))
    assert reports.dispatch(7, {"kind": "api"}, AT)
    assert seen == [(7, {"kind": "api"}, AT)]


def test_an_unknown_kind_is_skipped() -> None:
    assert not reports.dispatch(7, {"kind": "weather"}, AT)
    assert not reports.dispatch(7, {}, AT)


def test_a_malformed_report_does_not_stop_the_next() -> None:
    reports.register("api", lambda _id, report, _at: report["missing"])
    assert not reports.dispatch(7, {"kind": "api"}, AT)


def test_one_handler_a_kind() -> None:
    def handler(*_: Any) -> None:
        """Take it."""

    reports.register("api", handler)
    reports.register("api", handler)
    with pytest.raises(ValueError, match="have a handler"):
        reports.register("api", lambda *_: None)
