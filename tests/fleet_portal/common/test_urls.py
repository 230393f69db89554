import pytest
from django.urls import reverse


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("home", "/"),
        ("login", "/login/"),
        ("logout", "/logout/"),
        ("password", "/password/"),
        ("set_language", "/language/"),
        ("audit", "/audit/"),
        ("people", "/people/"),
    ],
)
def test_the_addresses_that_other_pages_link_to(name: str, address: str) -> None:
    assert reverse(name) == address
