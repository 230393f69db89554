"""The project `default` exists from the start."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def make_default(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    project = apps.get_model("common", "Project")
    project.objects.get_or_create(slug="default", defaults={"name": "Default"})


class Migration(migrations.Migration):
    dependencies = [("common", "0001_people_and_access")]
    operations = [migrations.RunPython(make_default, migrations.RunPython.noop)]
