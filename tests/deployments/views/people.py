"""Three people for every permission test: an operator of the project, a colleague who only
looks, and a stranger who holds a role elsewhere."""

from django.test import Client

from tests.factories import make_project, make_user

ROLES = {"operator": ("operator", "default"), "viewer": ("viewer", "default"),
         "stranger": ("operator", "elsewhere")}  # fmt: skip


def client_of(person: str) -> Client:
    """Return a browser in which this person is logged in; "nobody" is not."""
    client = Client()
    if person != "nobody":
        role, project = ROLES[person]
        client.force_login(make_user(person, role=role, project=make_project(project)))
    return client
