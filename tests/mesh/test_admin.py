import pytest
from django.contrib import admin

from mesh.models import ClusterMesh, MeshService, StatePeriod


@pytest.mark.parametrize("model", [ClusterMesh, MeshService, StatePeriod])
def test_rows_are_looked_at_not_changed(rf, model):
    page = admin.site._registry[model]
    request = rf.get("/")
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)
