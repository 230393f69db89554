import pytest

from deployments.actions.audited import Actor, audited
from deployments.domain.sentences import Refusal
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.models import AuditEntry, Project
from tests.factories import make_project

pytestmark = pytest.mark.django_db


@audited("project.try")
def try_it(actor: Actor, project: Project, *, fail: bool) -> str:
    Project.objects.create(slug="half", name="Half")
    if fail:
        raise Refusal("No %(what)s.", "name", what="luck")
    return "done"


def test_what_goes_well_is_kept_and_leaves_its_own_entry() -> None:
    assert try_it("test", make_project("p"), fail=False) == "done"
    assert not AuditEntry.objects.exists()


def test_a_refusal_undoes_everything_and_is_recorded() -> None:
    project = make_project("p")
    with pytest.raises(ActionRefused, match="No luck") as refused:
        try_it("test", project, fail=True)
    assert refused.value.field == "name"
    assert not Project.objects.filter(slug="half").exists()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.outcome, entry.project) == ("project.try", "refused", project)
    assert entry.detail == {"sentence": "No luck."}
