from collections.abc import Iterator

import pytest
from django.core.cache import cache

from fleet_portal.common import throttle


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def fail(times: int, login: str = "ada", address: str = "192.0.2.1") -> None:
    for _ in range(times):
        throttle.count_failure(login, address)


def test_the_last_allowed_failure_is_not_too_many() -> None:
    fail(throttle.ATTEMPTS - 1)
    assert not throttle.too_many_failures("ada", "192.0.2.1")


def test_one_more_failure_is_too_many() -> None:
    fail(throttle.ATTEMPTS)
    assert throttle.too_many_failures("ada", "192.0.2.1")


def test_the_case_of_the_login_does_not_matter() -> None:
    fail(throttle.ATTEMPTS, login="Ada")
    assert throttle.too_many_failures("ada", "192.0.2.1")


def test_another_address_still_gets_in() -> None:
    fail(throttle.ATTEMPTS)
    assert not throttle.too_many_failures("ada", "192.0.2.2")


def test_a_good_login_starts_anew() -> None:
    fail(throttle.ATTEMPTS)
    throttle.forget_failures("ada", "192.0.2.1")
    assert not throttle.too_many_failures("ada", "192.0.2.1")
