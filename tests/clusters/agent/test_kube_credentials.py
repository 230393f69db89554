"""Where the agent's credentials come from, and what it refuses to be."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters.agent.kube_credentials import (
    CredentialsInvalid,
    DataCredential,
    check_identity,
    from_kubeconfig,
    in_cluster,
    load_own_identity,
)
from clusters.agent.kube_errors import ApiDenied, ApiUnreachable


def kubeconfig(folder: Path, user: dict[str, Any], **cluster: Any) -> Path:
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1/", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_token_is_taken_from_a_kubeconfig(tmp_path: Path) -> None:
    identity = load_own_identity(kubeconfig(tmp_path, {"token": "t"}))
    assert identity.token() == "t"
    assert identity.server.url == "http://127.0.0.1:1"


def test_a_token_file_is_found_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from a file\n")
    assert from_kubeconfig(kubeconfig(tmp_path, {"tokenFile": "token"})).token() == "from a file"


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        ({"exec": {"command": "x"}}, {}, "exec"),
        ({"username": "x", "password": "y"}, {}, "username"),
        ({"auth-provider": {"name": "x"}}, {}, "auth-provider"),
        (
            {"token": "t"},
            {"server": "https://127.0.0.1:1", "insecure-skip-tls-verify": True},
            "never skips",
        ),
        (
            {"token": "t"},
            {"server": "https://127.0.0.1:1", "certificate-authority-data": "?"},
            "not base64",
        ),
        (
            {"token": "t"},
            {
                "server": "https://127.0.0.1:1",
                "certificate-authority-data": base64.b64encode(b"no pem").decode(),
            },
            "certificate",
        ),
    ],
)
def test_what_an_unattended_program_should_not_use_is_refused(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], words: str
) -> None:
    with pytest.raises(CredentialsInvalid, match=words):
        from_kubeconfig(kubeconfig(tmp_path, user, **cluster))


@pytest.mark.parametrize("text", ["", "a: [", "[]", "current-context: x"])
def test_a_file_that_is_no_kubeconfig_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(CredentialsInvalid):
        from_kubeconfig(path)


def test_a_missing_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(CredentialsInvalid, match="absent"):
        from_kubeconfig(tmp_path / "absent")


def test_outside_a_pod_there_is_no_service_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(CredentialsInvalid, match="--kubeconfig"):
        in_cluster(tmp_path)


@pytest.mark.parametrize("name", ["fleet:project:shop", "fleet:user:ann.lee@x_y-z", "fleet:person"])
def test_fleet_names_may_be_impersonated(name: str) -> None:
    assert check_identity(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "fleet:",
        "system:masters",
        "system:kube-controller-manager",
        "fleet:a b",
        "fleet:a\nImpersonate-Group: system:masters",
        "fleet:a\n",
        "Fleet:a",
        "fleet:" + "a" * 121,
        "xfleet:a",
        "fleet:é",
    ],
)
def test_no_other_name_is_ever_sent(name: str) -> None:
    with pytest.raises(ApiDenied):
        check_identity(name)


class Tokens:
    """Hands out t1, t2 …, each good for an hour of a clock that tests move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.made = 0
        self.fails = False
        self.credential = DataCredential(self.request, lambda: self.now)

    async def request(self) -> tuple[str, float]:
        if self.fails:
            raise ApiUnreachable("away")
        self.made += 1
        return f"t{self.made}", self.now + 3600


@pytest.mark.parametrize(("now", "token"), [(0, "t1"), (2879, "t1"), (2881, "t2")])
async def test_the_data_token_is_renewed_at_four_fifths_of_its_life(now: float, token: str) -> None:
    tokens = Tokens()
    await tokens.credential.token()
    tokens.now = now
    assert await tokens.credential.token() == token


async def test_an_old_token_serves_on_while_renewing_fails() -> None:
    tokens = Tokens()
    await tokens.credential.token()
    tokens.now, tokens.fails = 3000, True
    assert await tokens.credential.token() == "t1"


async def test_an_ended_token_is_not_used() -> None:
    tokens = Tokens()
    await tokens.credential.token()
    tokens.now, tokens.fails = 3700, True
    with pytest.raises(ApiUnreachable):
        await tokens.credential.token()


async def test_a_refused_token_is_replaced_once() -> None:
    tokens = Tokens()
    refused = await tokens.credential.token()
    tokens.credential.forget(refused)
    assert await tokens.credential.token() == "t2"
    tokens.credential.forget(refused)
    assert await tokens.credential.token() == "t2"
