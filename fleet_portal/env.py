"""Typed readers of the environment: text, flag, number, seconds, choice, names, secret.

A value that cannot be read stops the program with one sentence that names the variable, so
that a wrong setting is found at start and never in the middle of a failover.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_YES = {"1", "true", "yes", "on"}
_NO = {"0", "false", "no", "off"}
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Env:
    """Read `FLEET_*` variables of `source` (the process's environment unless given)."""

    def __init__(self, source: Mapping[str, str] | None = None) -> None:
        self._source = os.environ if source is None else source

    def text(self, name: str, default: str = "") -> str:
        return self._source.get(name, "").strip() or default

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.text(name).lower()
        if not value:
            return default
        if value in _YES:
            return True
        if value in _NO:
            return False
        raise ImproperlyConfigured(f"{name} is {value!r}: write 1 or 0.")

    def number(self, name: str, default: int, minimum: int = 0, maximum: int = 2**31) -> int:
        """Return a whole number within [minimum, maximum]."""
        value = self.text(name)
        if not value:
            return default
        try:
            number = int(value)
        except ValueError:
            raise ImproperlyConfigured(f"{name} is {value!r}: write a whole number.") from None
        if not minimum <= number <= maximum:
            raise ImproperlyConfigured(
                f"{name} is {number}: write a number from {minimum} to {maximum}."
            )
        return number

    def seconds(self, name: str, default: float) -> float:
        """Return a duration in seconds; the text carries a unit: 500ms, 10s, 5m, 1h, 2d."""
        value = self.text(name)
        if not value:
            return default
        for unit in ("ms", "s", "m", "h", "d"):
            amount = value.removesuffix(unit)
            if amount != value and amount.replace(".", "", 1).isdigit():
                return float(amount) * _UNITS[unit]
        raise ImproperlyConfigured(f"{name} is {value!r}: write a duration such as 10s, 5m or 1h.")

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        value = self.text(name, default)
        if value not in choices:
            raise ImproperlyConfigured(f"{name} is {value!r}: choose one of {', '.join(choices)}.")
        return value

    def names(self, name: str, default: Sequence[str] = ()) -> list[str]:
        """Return a comma-separated list without blanks."""
        value = self.text(name)
        if not value:
            return list(default)
        return [part.strip() for part in value.split(",") if part.strip()]

    def secret(self, name: str) -> str:
        """Return NAME, or the content of the file that NAME_FILE names; "" when neither is set."""
        path = self.text(f"{name}_FILE")
        if not path:
            return self.text(name)
        if self.text(name):
            raise ImproperlyConfigured(f"Both {name} and {name}_FILE are set: keep one.")
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}.") from None
