from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from fleet_portal.common.audit import record
from fleet_portal.common.models import AuditEntry, RoleBinding, User
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def as_(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def shop() -> list[User]:
    """Return operator, viewer and stranger of the project `shop`."""
    project = make_project("shop")
    return [
        make_user("operator", role="operator", project=project),
        make_user("viewer", role="viewer", project=project),
        make_user("stranger"),
    ]


@pytest.fixture
def administrator() -> User:
    return make_user("ada", role="administrator")


PAGES = ["/", "/audit/", "/people/", "/password/", "/people/roles/1/revoke/"]


@pytest.mark.parametrize("page", PAGES)
def test_nobody_is_asked_to_log_in(client: Client, page: str) -> None:
    answer = client.get(page)
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/login/")


@pytest.mark.parametrize(
    ("page", "codes"),
    [("/", [200, 200, 200]), ("/audit/", [200, 200, 403]), ("/people/", [403, 403, 403])],
)
def test_each_page_knows_operator_viewer_and_stranger(
    shop: list[User], page: str, codes: list[int]
) -> None:
    assert [as_(person).get(page).status_code for person in shop] == codes


def test_a_stranger_is_told_how_to_get_a_role(shop: list[User]) -> None:
    assert "no role yet" in as_(shop[2]).get("/").content.decode()


@pytest.mark.parametrize("page", ["/", "/audit/", "/people/", "/nothing-here/"])
def test_every_page_carries_the_strict_policy(administrator: User, page: str) -> None:
    policy = as_(administrator).get(page)["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy + ";"
    assert "unsafe" not in policy


def test_the_page_names_its_language(administrator: User) -> None:
    client = as_(administrator)
    client.post("/language/", {"language": "zh-hans", "next": "/"})
    assert '<html lang="zh-hans">' in client.get("/").content.decode()
    assert User.objects.get(pk=administrator.pk).language == "zh-hans"


def test_after_login_the_pages_speak_the_persons_language(client: Client) -> None:
    user = make_user("wei", role="viewer", language="zh-hans")
    user.set_password(PASSWORD)
    user.save()
    client.post("/login/", {"username": "wei", "password": PASSWORD})
    assert '<html lang="zh-hans">' in client.get("/").content.decode()
    assert AuditEntry.objects.get(action="person.login").outcome == "done"


def test_a_refused_login_keeps_what_was_typed(client: Client) -> None:
    page = client.post("/login/", {"username": "ada", "password": "wrong"}).content.decode()
    assert 'value="ada"' in page
    assert "don&#x27;t match" in page


def test_logging_out_needs_a_post(administrator: User) -> None:
    client = as_(administrator)
    assert client.get("/logout/").status_code == 405
    client.post("/logout/")
    assert client.get("/").status_code == 302


def test_a_new_password_is_recorded(administrator: User) -> None:
    administrator.set_password(PASSWORD)
    administrator.save()
    new = "another horse, another staple"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert as_(administrator).post("/password/", form).status_code == 302
    assert AuditEntry.objects.get(action="person.password").actor == administrator


def test_the_audit_list_is_filtered_by_the_address(administrator: User) -> None:
    record("agent:eu-1", "cluster.join", name="the-one")
    record("agent:eu-2", "cluster.join", name="the-other")
    page = as_(administrator).get("/audit/?actor=agent:eu-1").content.decode()
    assert "the-one" in page
    assert "the-other" not in page


def test_a_filter_with_a_wrong_date_says_so_and_keeps_the_rest(administrator: User) -> None:
    page = as_(administrator).get("/audit/?since=soon&actor=agent").content.decode()
    assert "Enter a valid date." in page
    assert 'value="agent"' in page


def test_the_audit_list_has_pages(administrator: User) -> None:
    for number in range(60):
        record("test", "x.y", name=f"thing-{number}")
    page = as_(administrator).get("/audit/?page=2").content.decode()
    assert "Page 2 of 2" in page
    assert "thing-9<" in page


def test_audit_queries_do_not_grow_with_rows(
    administrator: User,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    client, counts = as_(administrator), []
    for rows in (3, 27):
        for _ in range(rows):
            record(make_user(), "x.y", project=make_project())
        with django_assert_max_num_queries(20) as queries:
            client.get("/audit/")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_role_is_given_on_the_people_page(administrator: User) -> None:
    shop, grace = make_project("shop"), make_user("grace")
    form = {"user": grace.pk, "role": "operator", "project": shop.pk}
    assert as_(administrator).post("/people/", form).status_code == 302
    assert grace.role_bindings.get().role == "operator"


def test_a_role_given_twice_is_refused_with_a_sentence(administrator: User) -> None:
    grace = make_user("grace", role="viewer")
    answer = as_(administrator).post("/people/", {"user": grace.pk, "role": "viewer"})
    assert answer.status_code == 400
    assert "This role is given already." in answer.content.decode()


def test_an_operator_cannot_give_roles(shop: list[User]) -> None:
    form = {"user": shop[0].pk, "role": "administrator"}
    assert as_(shop[0]).post("/people/", form).status_code == 403
    assert not RoleBinding.objects.filter(role="administrator").exists()


def test_a_role_is_taken_away_after_asking(administrator: User) -> None:
    binding = make_user("grace", role="operator").role_bindings.get()
    client = as_(administrator)
    assert "grace" in client.get(f"/people/roles/{binding.pk}/revoke/").content.decode()
    client.post(f"/people/roles/{binding.pk}/revoke/")
    assert not RoleBinding.objects.filter(pk=binding.pk).exists()


def test_taking_the_last_administrator_away_is_refused(administrator: User) -> None:
    binding = administrator.role_bindings.get()
    answer = as_(administrator).post(f"/people/roles/{binding.pk}/revoke/")
    assert answer.status_code == 400
    assert "nobody to administer" in answer.content.decode()


def test_an_administrator_of_one_project_cannot_take_roles_of_another_away() -> None:
    admin = make_user(role="administrator", project=make_project("shop"))
    other = make_user(role="viewer", project=make_project("bank")).role_bindings.get()
    assert as_(admin).post(f"/people/roles/{other.pk}/revoke/").status_code == 404
    assert RoleBinding.objects.filter(pk=other.pk).exists()


def test_an_unknown_address_is_answered_in_the_portals_own_page(administrator: User) -> None:
    answer = as_(administrator).get("/nothing-here/")
    assert answer.status_code == 404
    assert "nothing at this address" in answer.content.decode()


def test_a_form_without_its_token_says_that_nothing_was_changed() -> None:
    answer = Client(enforce_csrf_checks=True).post("/login/", {"username": "ada"})
    assert answer.status_code == 403
    assert "nothing was changed" in answer.content.decode()


def test_a_request_that_is_too_large_says_what_fits(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = Client().post("/login/", {"username": "a" * 2000})
    assert answer.status_code == 413
    assert "8 MiB" in answer.content.decode()
