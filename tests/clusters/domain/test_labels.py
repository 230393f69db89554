"""Labels as people type them, hostile ones included."""

import pytest

from clusters.domain.labels import LabelsInvalid, check_labels, format_labels, parse_labels, shown


def test_lines_become_labels() -> None:
    text = "tier=gold\n\n  fleet-portal.io/site = fra-1 \nempty="
    assert parse_labels(text) == {"tier": "gold", "fleet-portal.io/site": "fra-1", "empty": ""}


def test_labels_become_the_same_lines() -> None:
    labels = {"b": "2", "a": "1"}
    assert format_labels(labels) == "a=1\nb=2"
    assert parse_labels(format_labels(labels)) == labels


@pytest.mark.parametrize(
    "text",
    [
        "no-equals",
        "=value",
        "a=b\na=b",
        "key with blank=x",
        "key=va lue",
        "key=<script>",
        "-key=x",
        "key=x-",
        "UPPER.domain/key=x",
        "a/b/c=x",
        "/key=x",
        "k" * 64 + "=x",
        "key=" + "v" * 64,
        "d" * 254 + "/key=x",
        "key=\u202ex",
        "kéy=x",
        "key=x\x00",
        "key=\u0661",
    ],
)
def test_what_kubernetes_refuses_is_refused(text: str) -> None:
    with pytest.raises(LabelsInvalid):
        parse_labels(text)


def test_too_many_are_refused() -> None:
    with pytest.raises(LabelsInvalid, match="more than 64"):
        check_labels({f"k{number}": "v" for number in range(65)})


@pytest.mark.parametrize("labels", [{"a": 1}, {"a": None}, {1: "a"}])
def test_other_types_are_refused(labels: dict[str, object]) -> None:
    with pytest.raises(LabelsInvalid):
        check_labels(labels)


def test_what_is_repeated_is_short_and_printable() -> None:
    assert shown("a\x00b\u202e") == "a\ufffdb\ufffd"
    assert shown("x" * 100) == "x" * 60 + "…"
