"""Hostile and ordinary YAML: what is read, what is refused and with which words."""

import pytest

from deployments.domain.manifests import MAX_OBJECTS, parse_manifests, to_yaml
from deployments.domain.sentences import Refusal

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def _bomb() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")
    return "\n".join(lines)


REFUSED = [
    ("invalid", "a: [1, 2", "not YAML"),
    ("tab", "a:\n\t- b", "not YAML"),
    ("nul", "a: \0", "not YAML"),
    ("empty", "", "no object"),
    ("only comments", "# nothing\n---\n---\n", "no object"),
    ("text", "hello", "Document 1 is not an object"),
    ("list", "- a\n- b", "Document 1 is not an object"),
    ("second is a number", MAP + "---\n3", "Document 2 is not an object"),
    ("5 MiB", "a: " + "x" * (5 * 1024 * 1024), "at most 4 MiB"),
    ("exploding aliases", _bomb(), "unfold to far more"),
    ("alias of itself", "a: &a [*a]", "unfold to far more"),
    ("large text aliased", f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 400)}]", "unfold"),
    ("deep", "a: " + "[" * 100 + "]" * 100, "nested more than 64"),
    ("very deep", "[" * 200_000, "nested more than 64"),
    ("deep by aliases", "\n".join(
        ["k0: &k0 [x]", *[f"k{n}: &k{n} [*k{n - 1}]" for n in range(1, 100)]]), "unfold"),
    ("many values", "a: [" + "1," * 450_000 + "]", "more than 400000 values"),
    ("duplicate key", "a: 1\nb: 2\na: 3", "stands twice, the second time at line 3"),
    ("duplicate key inside", "a: {b: 1, b: 2}", "“b” stands twice"),
    ("unknown tag", "a: !!python/object:os.system x", "is not known to Kubernetes"),
    ("binary", "a: !!binary aGk=", "is not known to Kubernetes"),
    ("infinity", "a: .inf", "can't be written as JSON"),
    ("nan", "a: .nan", "can't be written as JSON"),
    ("key is a list", "? [a]\n: b", "is not a word"),
    ("merge of text", "a: {<<: b}", "must name a mapping"),
    ("undefined alias", "a: *nowhere", "not YAML"),
    ("lists in lists", "kind: List\nitems: [{kind: List, items: [{kind: List, items: "
        "[{kind: List, items: []}]}]}]", "lists in lists"),
    ("too many", "---\n".join(["{kind: A}\n"] * (MAX_OBJECTS + 1)), "at most 1000"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentence"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_refuses(text: str, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        parse_manifests(text)


READ = [
    ("yes is true", "yes", True),
    ("off is false", "off", False),
    ("octal", "0644", 420),
    ("0o octal", "'0o644'", "0o644"),
    ("hex", "0x1F", 31),
    ("underscores", "1_000", 1000),
    ("negative", "-7", -7),
    ("float", "1.5", 1.5),
    ("clock stays text", "12:30", "12:30"),
    ("clock of floats stays text", "1:30.5", "1:30.5"),
    ("date stays text", "2024-01-02", "2024-01-02"),
    ("null", "~", None),
    ("quoted number", "'5'", "5"),
    ("tagged text", "!!str 5", "5"),
    ("block", "|\n    a\n    b\n", "a\nb\n"),
]


@pytest.mark.parametrize(("text", "value"), [row[1:] for row in READ], ids=[r[0] for r in READ])
def test_reads_scalars_as_kubectl_does(text: str, value: object) -> None:
    assert parse_manifests(f"a: {text}") == [{"a": value}]


def test_keys_become_text() -> None:
    assert parse_manifests("1: a\ntrue: b") == [{"1": "a", "true": "b"}]


def test_merges_mappings_and_keeps_own_values() -> None:
    read = parse_manifests("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}")
    assert read[0]["b"] == {"x": 1, "y": 3}


def test_the_first_of_several_merges_wins() -> None:
    read = parse_manifests("a: &a {x: 1}\nb: &b {x: 2, z: 3}\nc: {<<: [*a, *b]}")
    assert read[0]["c"] == {"x": 1, "z": 3}


def test_reads_documents_in_order_without_the_empty_ones() -> None:
    assert [obj["a"] for obj in parse_manifests("a: 1\n---\n\n---\na: 2\n")] == [1, 2]


def test_flattens_lists_and_names_the_kind_of_their_items() -> None:
    text = """
kind: List
items:
- {kind: ConfigMapList, apiVersion: v1, items: [{metadata: {name: a}}]}
- {kind: Secret, apiVersion: v1}
"""
    assert parse_manifests(text) == [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}},
        {"kind": "Secret", "apiVersion": "v1"},
    ]


def test_aliases_within_reason_are_fine() -> None:
    read = parse_manifests("a: &a {x: 1}\nb: [*a, *a]")
    assert read[0]["b"] == [{"x": 1}, {"x": 1}]


def test_writes_yaml_that_reads_back() -> None:
    obj = {"b": "x\ny\n", "a": [1, True, None, "yes"], "c": {"d": "0644"}}
    assert parse_manifests(to_yaml(obj)) == [obj]
