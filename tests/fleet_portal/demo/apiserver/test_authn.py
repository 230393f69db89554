import pytest

from fleet_portal.demo.apiserver.authn import ANONYMOUS, MASTERS, Tokens, account_of
from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.objects import Objects

from ..conftest import kind

ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount",
           "metadata": {"name": "agent", "namespace": "shop"}}  # fmt: skip


def test_nobody_is_anonymous(objects: Objects) -> None:
    assert Tokens(objects.store).user_of("") is ANONYMOUS


def test_the_administrator_is_a_master(objects: Objects) -> None:
    tokens = Tokens(objects.store)
    assert MASTERS in tokens.user_of(f"Bearer {tokens.admin}").groups


def test_a_token_names_its_account(objects: Objects) -> None:
    tokens = Tokens(objects.store)
    account = objects.create(kind("ServiceAccount"), ACCOUNT, "me")
    user = tokens.user_of(f"Bearer {tokens.issue(account, 60)}")
    assert user.name == "system:serviceaccount:shop:agent"
    assert user.uid == account["metadata"]["uid"]
    assert "system:serviceaccounts:shop" in user.groups


def test_a_deleted_account_has_no_token(objects: Objects) -> None:
    tokens = Tokens(objects.store)
    token = tokens.issue(objects.create(kind("ServiceAccount"), ACCOUNT, "me"), 60)
    objects.delete(kind("ServiceAccount"), "shop", "agent")
    objects.create(kind("ServiceAccount"), ACCOUNT, "me")
    with pytest.raises(ApiError, match="Unauthorized"):
        tokens.user_of(f"Bearer {token}")


@pytest.mark.parametrize("given", ["Bearer nonsense", "Basic eA==", "Bearer "])
def test_anything_else_is_refused(objects: Objects, given: str) -> None:
    with pytest.raises(ApiError) as refusal:
        Tokens(objects.store).user_of(given)
    assert refusal.value.code == 401


def test_an_expired_token_is_refused(objects: Objects) -> None:
    tokens = Tokens(objects.store)
    account = objects.create(kind("ServiceAccount"), ACCOUNT, "me")
    with pytest.raises(ApiError):
        tokens.user_of(f"Bearer {tokens.issue(account, -5)}")


def test_only_whole_account_names_are_accounts() -> None:
    assert account_of("system:serviceaccount:a:b") == ("a", "b")
    assert account_of("system:serviceaccount:a") is None
    assert account_of("System:serviceaccount:a:b") is None
