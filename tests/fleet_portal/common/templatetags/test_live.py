from collections.abc import Iterator

import pytest
from django.http import HttpRequest
from django.template import Context, Template
from django.test import RequestFactory

from fleet_portal.common.live.fragments import Fragment, read_page, registry
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fragment() -> Iterator[None]:
    gone = Fragment("test-tag", "unused.html", lambda key: [], lambda access, key: None)
    registry.register(gone)
    yield
    del registry._by_name["test-tag"]


@pytest.fixture
def request_(rf: RequestFactory) -> HttpRequest:
    request = rf.get("/")
    request.user = make_user(role="viewer")
    return request


def draw(source: str, request: HttpRequest) -> str:
    return Template("{% load live %}" + source).render(Context({"request": request}))


def test_the_page_lists_each_fragment_once(request_: HttpRequest) -> None:
    part = "{% live_fragment 'test-tag' key=5 %}"
    page = draw(part + part + "{% live_page %}", request_)
    token = page.split("ws/live/?page=")[1].split('"')[0]
    assert read_page(token) == [("test-tag", "5")]


def test_a_page_without_fragments_opens_no_socket(request_: HttpRequest) -> None:
    assert draw("{% live_page %}", request_).strip() == ""


def test_a_pushed_fragment_names_its_swap(request_: HttpRequest) -> None:
    assert draw("{% oob_attributes True %}", request_) == 'hx-swap-oob="morph"'
    assert draw("{% oob_attributes False %}", request_) == ""
