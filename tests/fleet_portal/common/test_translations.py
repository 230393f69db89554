from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from fleet_portal.common import translations
from fleet_portal.common.translations import (
    messages_of_python,
    messages_of_template,
    problems_of,
    template_of_sources,
)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('_("Save it")', "Save it"),
        ('N_("lost")', "lost"),
        ('gettext_lazy("one " "text")', "one text"),
        ('ngettext("one", "many", n)', ("one", "many")),
        ('x = Status("lost", "lost one", "bad", "cross")', "lost one"),
        ('Status("lost", N_("lost one"), "bad", "cross")', "lost one"),
        ('translation.gettext("deep")', "deep"),
    ],
)
def test_calls_in_python_are_found(source: str, message: object) -> None:
    assert [found.message for found in messages_of_python(source, "a.py")] == [message]


def test_a_text_that_is_made_at_run_time_is_no_message() -> None:
    assert list(messages_of_python("_(name)\n_(f'{a}')\nprint('x')", "a.py")) == []


def test_a_context_is_kept() -> None:
    (found,) = messages_of_python('pgettext("verb", "Open")', "a.py")
    assert (found.message, found.context) == ("Open", "verb")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% translate 'Save it' %}", "Save it"),
        ('{% translate "Save (now)" as label %}', "Save (now)"),
        ("{% blocktranslate %}Page {{ n }}{% endblocktranslate %}", "Page %(n)s"),
        (
            "{% blocktranslate count n=x %}{{ n }} a{% plural %}{{ n }} b{% endblocktranslate %}",
            ("%(n)s a", "%(n)s b"),
        ),
        ("{{ _('Direct') }}", "Direct"),
        ('{% include "a.html" with title=_("Titled") %}', "Titled"),
    ],
)
def test_tags_in_templates_are_found(source: str, message: object) -> None:
    page = "{% load i18n %}<p>it's (\n" + source + "</p>"
    assert [found.message for found in messages_of_template(page, "a.html")] == [message]


def catalogs(*messages: tuple[str, str]) -> tuple[Catalog, Catalog]:
    """Return a translated catalog of these (source, translation) pairs and its template."""
    catalog, template = Catalog(locale="zh_Hans"), Catalog()
    for source, text in messages:
        catalog.add(source, text)
        template.add(source)
    return catalog, template


def test_a_complete_catalog_has_no_problem() -> None:
    assert problems_of(*catalogs(("Save %(name)s", "保存 %(name)s"), ("Yes", "是"))) == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Save %(name)s", "保存"),
        ("Save %(name)s", "保存 %(nmae)s"),
        ("%(size).1f MiB", "%(size)d MiB"),
        ("as of {time}", "截至"),
        ("<strong>now</strong>", "现在"),
    ],
)
def test_a_lost_placeholder_or_tag_is_a_problem(source: str, text: str) -> None:
    assert "placeholders" in problems_of(*catalogs((source, text)))[0]


def test_an_empty_translation_is_a_problem() -> None:
    assert problems_of(*catalogs(("Yes", ""))) == ["not translated: 'Yes'"]


def test_a_fuzzy_translation_is_a_problem() -> None:
    catalog, template = catalogs(("Yes", "是"))
    catalog["Yes"].flags.add("fuzzy")
    assert problems_of(catalog, template) == ["fuzzy: 'Yes'"]


def test_a_message_that_the_catalog_lacks_is_a_problem() -> None:
    catalog, template = catalogs()
    template.add("New", locations=[("a.py", 0)])
    assert problems_of(catalog, template) == ["missing: 'New' (a.py)"]


def test_a_message_that_nobody_says_any_more_is_a_problem() -> None:
    catalog, template = catalogs()
    catalog.add("Old", "旧")
    assert problems_of(catalog, template) == ["obsolete: 'Old'"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a tree with one source that says "New" and a catalog that knows "Old"."""
    (tmp_path / "clusters").mkdir()
    (tmp_path / "clusters" / "a.py").write_text('_("New")\n_("Kept")', encoding="utf-8")
    po = tmp_path / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
    po.parent.mkdir(parents=True)
    po.write_text('msgid "Old"\nmsgstr "旧"\nmsgid "Kept"\nmsgstr "留"\n', encoding="utf-8")
    sources = template_of_sources(tmp_path)
    monkeypatch.setattr(translations, "template_of_sources", lambda: sources)
    monkeypatch.setattr(translations, "LOCALES", tmp_path / "locale")
    return po


def test_update_takes_new_messages_in_keeps_translations_and_drops_old_ones(project: Path) -> None:
    assert translations.main(["update"]) == 0
    with project.open("rb") as file:
        texts = {message.id: message.string for message in read_po(file) if message.id}
    assert texts == {"New": "", "Kept": "留"}


def test_updating_twice_changes_nothing(project: Path) -> None:
    translations.main(["update"])
    before = project.read_bytes()
    translations.main(["update"])
    assert project.read_bytes() == before


def test_check_names_what_is_wrong(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert translations.main(["check"]) == 1
    assert "zh_Hans: obsolete: 'Old'" in capsys.readouterr().out


def test_compile_writes_what_django_reads(project: Path) -> None:
    assert translations.main(["compile"]) == 0
    assert "留".encode() in project.with_suffix(".mo").read_bytes()


def test_an_unknown_command_is_refused() -> None:
    assert translations.main(["publish"]) == 2


def test_the_projects_own_catalogs_are_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert translations.check() == 0, capsys.readouterr().out
