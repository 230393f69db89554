"""Runs a whole portal for tests: `manage.py portal` on a free port with a database of its own,
agents beside it, and a person who speaks REST to it."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from tests.real.processes import Process, free_port

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
PASSWORD = "correct horse battery staple"


class Portal:
    """One running portal. Timers are seconds; everything else is as in production."""

    def __init__(self, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fleet-portal-"))
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        # The portal's own authority signs its certificate; the chain holds both.
        self.certificate = self.folder / "run" / "gateway.crt"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FLEET_")},
            # Not the tests' own settings, which pytest leaves in the environment.
            "DJANGO_SETTINGS_MODULE": "fleet_portal.settings",
            "FLEET_DATA_DIR": str(self.folder),
            "FLEET_LISTEN": f"127.0.0.1:{self.port}",
            "FLEET_SECRET_KEY": "a secret for tests alone, longer than fifty characters",
            "FLEET_WAVE_SOAK": "2s",
            "FLEET_MESH_TICK": "1s",
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        # A Process inherits what it isn't told: the tests' own settings must not come along.
        others = [name for name in os.environ if name not in self.environment]
        self._process = Process(
            "portal",
            [
                *("env", *(f"--unset={name}" for name in others)),
                *(sys.executable, str(ROOT / "manage.py"), "portal"),
            ],
            self.folder / "portal.log",
            environment=self.environment,
            folder=ROOT,
        )

    def start(self) -> None:
        self._process.start()
        self._process.wait_until(self.answers, START_SECONDS)

    def answers(self) -> bool:
        if not self.certificate.exists():
            return False
        try:
            return self.session().get(f"{self.url}/readyz", timeout=2).ok
        except requests.RequestException:
            return False

    def session(self) -> requests.Session:
        """Return a client that trusts this portal's certificate and nothing of the environment."""
        session = requests.Session()
        # Else a CA bundle or a proxy named by the environment wins.
        session.trust_env = False
        session.verify = str(self.certificate)
        return session

    def stop(self) -> None:
        """Kill it, as a machine that loses power would."""
        self._process.stop()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log_tail(self, lines: int = 60) -> str:
        return self._process.log_tail(lines)

    def manage(self, *arguments: str, **environment: str) -> str:
        """Run a management command on this portal's database; return its output."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env={**self.environment, **environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"manage.py {arguments[0]} failed:\n{done.stderr}")
        return done.stdout

    def make_administrator(self, login: str = "admin") -> None:
        self.manage(
            *("createsuperuser", "--noinput", "--username", login, "--email", "a@example.com"),
            DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        )

    def log_in(self, login: str = "admin") -> "Person":
        return Person(self, login)


class Person:
    """Somebody who is logged in and uses the REST API."""

    def __init__(self, portal: Portal, login: str) -> None:
        self._portal = portal
        self._session = portal.session()
        address = f"{portal.url}/login/"
        self._session.get(address, timeout=30)
        form = {
            "username": login,
            "password": PASSWORD,
            "csrfmiddlewaretoken": self.cookies["csrftoken"],
        }
        answer = self._session.post(
            address, form, headers={"Referer": address}, allow_redirects=False, timeout=30
        )
        assert answer.status_code == 302, answer.text[:2000]

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self._session.cookies}

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self._session.request(
            method,
            f"{self._portal.url}/api/v1{path}",
            json=body,
            headers={
                "X-CSRFToken": self.cookies["csrftoken"],
                "Referer": self._portal.url,
            },
            timeout=30,
        )

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.ok, f"{answer.status_code} {answer.text[:2000]}"
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        return self.send("POST", path, body)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.call(method, path, body or {})
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer.json() if answer.content else None

    def refusal(self, method: str, path: str, body: Any = None) -> str:
        """Send what must be refused; return the answer's text."""
        answer = self.call(method, path, body or {})
        assert 400 <= answer.status_code < 500, f"{answer.status_code} {answer.text[:2000]}"
        return answer.text

    def wait(
        self, path: str, condition: Callable[[Any], bool], deadline_seconds: float = 60
    ) -> Any:
        """Return the answer to GET `path` once `condition` holds of it."""
        ends = time.monotonic() + deadline_seconds
        while True:
            found = self.get(path)
            if condition(found):
                return found
            if time.monotonic() > ends:
                raise AssertionError(f"{path} did not get there in {deadline_seconds} s: {found}")
            time.sleep(0.1)


class Agent:
    """The agent program beside a cluster, on the ServiceAccount that the manifest made."""

    def __init__(self, name: str, kubeconfig: Path, folder: Path) -> None:
        self._process = Process(
            f"agent-{name}",
            [sys.executable, "-m", "fleet_portal.agent", "--kubeconfig", str(kubeconfig)],
            folder / f"agent-{name}.log",
            environment={"PYTHONUNBUFFERED": "1", "NO_PROXY": "127.0.0.1"},
            folder=ROOT,
        )

    def start(self) -> None:
        self._process.start()

    @property
    def running(self) -> bool:
        return self._process.running

    def kill(self) -> None:
        self._process.stop()

    def pause(self) -> None:
        """Freeze it: its connection stays open and says nothing, as a dead network's would."""
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()

    def log_tail(self, lines: int = 40) -> str:
        return self._process.log_tail(lines)

    def wait_for_log(self, words: str, deadline_seconds: float) -> None:
        """Wait until the agent has said so."""
        self._process.wait_until(lambda: words in self._process.log_tail(), deadline_seconds)
