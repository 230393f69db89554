"""What REST takes: bounded JSON, known members."""

import io
from typing import Any

import pytest
from django.test import Client
from rest_framework import serializers
from rest_framework.exceptions import ParseError

from fleet_portal.common.rest import BoundedJSONParser, StrictSerializer
from tests.factories import make_user


class Thing(StrictSerializer):
    name = serializers.CharField()
    size = serializers.IntegerField(required=False, read_only=True)


def test_json_is_read() -> None:
    assert BoundedJSONParser().parse(io.BytesIO(b'{"a": [1]}')) == {"a": [1]}


def test_json_without_a_bottom_is_refused() -> None:
    with pytest.raises(ParseError, match="nested too deep"):
        BoundedJSONParser().parse(io.BytesIO(b"[" * 100_000))


@pytest.mark.django_db
def test_an_address_answers_deep_json_with_a_sentence(client: Client) -> None:
    client.force_login(make_user(role="administrator"))
    answer = client.post("/api/v1/projects/", b"[" * 100_000, content_type="application/json")
    assert answer.status_code == 400
    assert "nested too deep" in answer.json()["message"]


def test_an_unknown_member_is_refused_with_those_that_there_are() -> None:
    thing = Thing(data={"name": "a", "nmae": "b"})
    assert not thing.is_valid()
    assert thing.errors == {"nmae": ["There is no member “nmae” here. There are: name, size."]}


@pytest.mark.parametrize("data", [{"name": "a"}, {"name": "a", "size": 3}])
def test_what_was_read_may_be_sent_back(data: dict[str, Any]) -> None:
    assert Thing(data=data).is_valid()


@pytest.mark.parametrize("data", [[1], "text", 5])
def test_what_is_no_mapping_is_said_to_be_none(data: Any) -> None:
    thing = Thing(data=data)
    assert not thing.is_valid()
    assert "non_field_errors" in thing.errors
