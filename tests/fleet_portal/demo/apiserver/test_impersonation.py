import pytest

from fleet_portal.demo.apiserver.authn import AUTHENTICATED, User
from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.impersonation import impersonate, requested_user
from fleet_portal.demo.apiserver.objects import Objects
from fleet_portal.demo.apiserver.rbac import Ask

from .test_rbac import bind

AGENT = User("agent")
PODS = Ask("list", "", "pods", "shop")
AUTHN = "authentication.k8s.io"


def rule(verb: str, group: str, resource: str, *names: str):
    made = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
    return {**made, "resourceNames": list(names)} if names else made


LEGACY = [
    rule("impersonate", "", "users", "fleet:project:shop"),
    rule("impersonate", "", "groups", "fleet:users"),
    rule("impersonate", AUTHN, "uids"),
    rule("impersonate", AUTHN, "userextras/fleet-portal.io/login"),
]
WHO = "impersonate:user-info"
CONSTRAINED = [
    rule(WHO, AUTHN, "users", "fleet:project:shop"),
    rule("impersonate-on:user-info:list", "", "pods"),
]


def run_as(objects: Objects, rules, wanted: User, ask: Ask = PODS) -> User:
    authorizer = bind(objects, rules, subject={"kind": "User", "name": "agent"})
    return impersonate(authorizer, AGENT, wanted, ask)


def test_headers_make_a_user() -> None:
    headers = [
        ("Impersonate-User", "u"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-Fleet-Portal.io%2Flogin", "ann"),
    ]
    wanted = requested_user(headers)
    assert wanted == User("u", ("a", "b"), "7", {"fleet-portal.io/login": ["ann"]})


def test_no_headers_no_impersonation() -> None:
    assert requested_user([("Accept", "x"), ("Impersonate-User", "")]) is None


def test_groups_without_a_user_are_refused() -> None:
    with pytest.raises(ApiError, match="without impersonating a user name"):
        requested_user([("Impersonate-Group", "a")])


def test_an_account_brings_its_groups() -> None:
    wanted = requested_user([("Impersonate-User", "system:serviceaccount:a:b")])
    assert wanted is not None
    assert wanted.groups == ("system:serviceaccounts", "system:serviceaccounts:a")


def test_listed_names_pass(objects: Objects) -> None:
    extra = {"fleet-portal.io/login": ["ann"]}
    wanted = User("fleet:project:shop", ("fleet:users",), "7", extra)
    assert run_as(objects, LEGACY, wanted).groups == ("fleet:users", AUTHENTICATED)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (User("other"), 'users "other" is forbidden: User "agent" cannot impersonate resource'),
        (User("fleet:project:shop", ("system:masters",)), 'groups "system:masters" is forbidden'),
        (
            User("fleet:project:shop", extra={"x/y": ["v"]}),
            'userextras.authentication.k8s.io "v" is forbidden',
        ),
    ],
)
def test_unlisted_names_are_refused(objects: Objects, wanted: User, said: str) -> None:
    with pytest.raises(ApiError) as refusal:
        run_as(objects, LEGACY, wanted)
    assert said in str(refusal.value)


def test_the_constrained_mode_needs_who_and_what(objects: Objects) -> None:
    wanted = User("fleet:project:shop")
    assert run_as(objects, CONSTRAINED, wanted).name == "fleet:project:shop"


def test_what_is_outside_the_ceiling_is_refused(objects: Objects) -> None:
    with pytest.raises(ApiError):
        run_as(objects, CONSTRAINED, User("fleet:project:shop"), Ask("list", "", "secrets", "shop"))
