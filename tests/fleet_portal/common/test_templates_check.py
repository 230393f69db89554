from pathlib import Path

import pytest

from fleet_portal.common import templates_check
from fleet_portal.common.templates_check import problems_of_template, template_names, url_names


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that stands for the template `404.html` while its markup is judged."""
    monkeypatch.setattr(templates_check, "ROOT", tmp_path)
    path = tmp_path / "templates" / "404.html"
    path.parent.mkdir()
    return path


def test_the_markup_of_a_template_is_judged_with_its_place(page: Path) -> None:
    page.write_text("\n<img>", encoding="utf-8")
    assert problems_of_template("404.html", frozenset(url_names())) == [
        "templates/404.html:2: <img> has no alt"
    ]


def test_a_link_to_no_page_is_found() -> None:
    problems = problems_of_template("components/language.html", frozenset())
    assert [problem for problem in problems if "'set_language'" in problem]


def test_a_template_that_does_not_exist_is_found(page: Path) -> None:
    missing = page.with_name("no-such-page.html")
    missing.write_text("", encoding="utf-8")
    assert "does not compile" in problems_of_template("no-such-page.html", frozenset())[0]


def test_names_of_pages_carry_their_namespace() -> None:
    names = set(url_names())
    assert {"home", "audit", "admin:index"} <= names


@pytest.mark.parametrize("name", template_names())
def test_every_template_passes(name: str) -> None:
    assert problems_of_template(name, frozenset(url_names())) == []
