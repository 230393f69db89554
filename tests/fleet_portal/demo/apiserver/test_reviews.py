import pytest

from fleet_portal.demo.apiserver.authn import Tokens, User
from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.objects import Objects
from fleet_portal.demo.apiserver.rbac import Authorizer
from fleet_portal.demo.apiserver.reviews import review, token_request

from ..conftest import kind
from .test_authn import ACCOUNT
from .test_rbac import ANN, RULE, bind


def test_may_i(objects: Objects) -> None:
    authorizer = bind(objects, [RULE])

    def allowed(verb: str) -> bool:
        asked = {"verb": verb, "group": "apps", "resource": "deployments", "namespace": "shop"}
        body = {"spec": {"resourceAttributes": asked}}
        answer = review("SelfSubjectAccessReview", body, ANN, authorizer)
        return bool(answer["status"]["allowed"])

    assert (allowed("get"), allowed("delete")) == (True, False)


def test_may_somebody_else(objects: Objects) -> None:
    asked = {"verb": "get", "path": "/metrics"}
    body = {"spec": {"user": "bob", "groups": ["system:masters"], "nonResourceAttributes": asked}}
    answer = review("SubjectAccessReview", body, ANN, Authorizer(objects.store))
    assert answer["status"]["allowed"]


def test_a_review_asks_one_thing(objects: Objects) -> None:
    with pytest.raises(ApiError, match="exactly one of"):
        review("SelfSubjectAccessReview", {"spec": {}}, ANN, Authorizer(objects.store))


def test_who_am_i(objects: Objects) -> None:
    user = User("ann", ("team",), "7", {"k": ["v"]})
    info = review("SelfSubjectReview", {}, user, Authorizer(objects.store))["status"]["userInfo"]
    assert info == {"username": "ann", "groups": ["team"], "uid": "7", "extra": {"k": ["v"]}}


def test_what_may_i(objects: Objects) -> None:
    authorizer = bind(objects, [RULE])
    body = {"spec": {"namespace": "shop"}}
    assert review("SelfSubjectRulesReview", body, ANN, authorizer)["status"]["resourceRules"] == [
        RULE
    ]


def test_a_token_works_for_its_account(objects: Objects) -> None:
    objects.create(kind("ServiceAccount"), ACCOUNT, "me")
    tokens = Tokens(objects.store)
    body = {"spec": {"expirationSeconds": 600}}
    token = token_request(objects.store, tokens, "shop", "agent", body)["status"]["token"]
    assert tokens.user_of(f"Bearer {token}").account == ("shop", "agent")


def test_a_token_of_nobody_and_one_too_short_are_refused(objects: Objects) -> None:
    tokens = Tokens(objects.store)
    with pytest.raises(ApiError, match="not found"):
        token_request(objects.store, tokens, "shop", "agent", {})
    objects.create(kind("ServiceAccount"), ACCOUNT, "me")
    with pytest.raises(ApiError, match="less than 10 minutes"):
        token_request(objects.store, tokens, "shop", "agent", {"spec": {"expirationSeconds": 10}})
