import pytest

from fleet_portal.common.access import Role, access_of
from fleet_portal.common.models import User
from fleet_portal.demo.first_person import make_administrator


@pytest.mark.django_db
def test_the_first_person_may_everything() -> None:
    make_administrator("admin", "a password of the demo")
    person = User.objects.get(username="admin")
    assert person.check_password("a password of the demo")
    assert access_of(person).everywhere == Role.ADMINISTRATOR
