"""Identity, bytes, quantities, selectors."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.domain.objects import (
    ObjectId,
    ObjectRef,
    Requirement,
    canonical_json,
    digest_of,
    epoch_of,
    join_api_version,
    milli_of,
    parse_id,
    parse_quantity,
    parse_selector,
    ref_of,
    requirements_of,
    selects,
    split_api_version,
    whole_of,
)


@pytest.mark.parametrize(
    ("api_version", "parts"), [("v1", ("", "v1")), ("apps/v1", ("apps", "v1"))]
)
def test_an_api_version_splits_and_joins(api_version: str, parts: tuple[str, str]) -> None:
    assert split_api_version(api_version) == parts
    assert join_api_version(*parts) == api_version


def test_an_identity_is_read_as_it_is_written() -> None:
    identity = ObjectId("apps", "Deployment", "shop", "web")
    assert str(identity) == "apps/Deployment/shop/web"
    assert parse_id(str(identity)) == identity


@pytest.mark.parametrize("text", ["", "web", "apps/Deployment/shop", "//shop/web", "/Pod/a/"])
def test_what_is_no_identity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an object identity"):
        parse_id(text)


def test_a_reference_names_group_version_and_place() -> None:
    obj = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "w", "namespace": "n"},
    }
    ref = ref_of(obj)
    assert ref == ObjectRef(ObjectId("apps", "Deployment", "n", "w"), "v1")
    assert ref.api_version == "apps/v1"


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"apiVersion": "v1", "kind": "Pod"},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": ""}},
        {"apiVersion": "v1", "kind": 3, "metadata": {"name": "x"}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": ["name"]},
    ],
)
def test_what_has_no_identity_is_no_object(obj: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needs apiVersion"):
        ref_of(obj)


def test_canonical_bytes_do_not_depend_on_the_order_of_keys() -> None:
    assert canonical_json({"b": 1, "a": "é"}) == canonical_json({"a": "é", "b": 1})
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()


def test_a_digest_names_its_algorithm() -> None:
    assert digest_of(b"") == (
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T00:01:00.5Z", 60.5),
        ("soon", None),
        (None, None),
    ],
)
def test_times_are_read(text: str | None, seconds: float | None) -> None:
    assert epoch_of(text) == seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100m", "0.1"),
        ("1.5Gi", "1610612736"),
        ("2e3", "2000"),
        ("1E", "1e18"),
        ("1Ei", "1152921504606846976"),
        (".5", "0.5"),
        ("-1", "-1"),
        ("250u", "0.00025"),
        (4, "4"),
        ("64M", "64e6"),
    ],
)
def test_quantities_are_read(text: object, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "1K", "1Xi", "1mi", "m", "1 Gi", "0x10", None, "1e"])
def test_what_is_no_quantity_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        parse_quantity(text)


def test_amounts_round_up_as_the_scheduler_does() -> None:
    assert milli_of("0.0001") == 1
    assert whole_of("1500m") == 2


@given(st.integers(min_value=0, max_value=10**12))
def test_a_milli_quantity_is_its_own_amount(amount: int) -> None:
    assert milli_of(f"{amount}m") == amount


@pytest.mark.parametrize(
    ("selector", "labels", "found"),
    [
        ("", {}, True),
        ("a=b", {"a": "b"}, True),
        ("a==b", {"a": "c"}, False),
        ("a!=b", {}, True),
        ("a in (b, c)", {"a": "c"}, True),
        ("a notin (b,c),d", {"a": "x", "d": ""}, True),
        ("a notin (b)", {}, True),
        ("!a", {"a": ""}, False),
        ("x.io/a", {"x.io/a": "1"}, True),
        ("a=", {"a": ""}, True),
        ("a=b,c=d", {"a": "b"}, False),
    ],
)
def test_selectors_select(selector: str, labels: dict[str, str], found: bool) -> None:
    assert selects(parse_selector(selector), labels) is found


@pytest.mark.parametrize("selector", ["a b", "=b", "a in b", "a=b=c", "a=!", "A/B/c=d", "a in (b"])
def test_what_is_no_selector_is_refused(selector: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_selector(selector)


def test_object_selectors_mean_the_same() -> None:
    selector = {
        "matchLabels": {"a": "b"},
        "matchExpressions": [{"key": "c", "operator": "Exists"}],
    }
    assert requirements_of(selector) == (
        Requirement("a", "In", frozenset({"b"})),
        Requirement("c", "Exists"),
    )
