"""A light limit on failed logins, counted in the cache by login and address.

It slows guessing down; it is no lock that a stranger could put on somebody's account: another
address still gets its own count.
"""

import hashlib

from django.core.cache import cache

ATTEMPTS = 10
WINDOW_SECONDS = 15 * 60


def too_many_failures(login: str, address: str) -> bool:
    """Tell whether this pair has used up its attempts."""
    return int(cache.get(_key(login, address), 0)) >= ATTEMPTS


def count_failure(login: str, address: str) -> None:
    """Count one failed attempt; the count ends a window after its first failure."""
    key = _key(login, address)
    if not cache.add(key, 1, WINDOW_SECONDS):
        try:
            cache.incr(key)
        except ValueError:  # the count ended between the two calls
            cache.set(key, 1, WINDOW_SECONDS)


def forget_failures(login: str, address: str) -> None:
    """Start anew after a good login."""
    cache.delete(_key(login, address))


def _key(login: str, address: str) -> str:
    digest = hashlib.sha256(f"{login.lower()}\n{address}".encode()).hexdigest()
    return f"login-failures-{digest}"
