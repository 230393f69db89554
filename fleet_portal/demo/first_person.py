"""Prepares the demo's database: tables and the administrator. Run once, before the portal.

`python -m fleet_portal.demo.first_person`, with the portal's own settings in the environment, the
login in FLEET_DEMO_LOGIN and the password in FLEET_DEMO_PASSWORD.
"""

from __future__ import annotations

import os


def make_administrator(login: str, password: str) -> None:
    from fleet_portal.common.models import User

    User.objects.create_superuser(login, password=password)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet_portal.settings")
    import django

    django.setup()
    from django.core.management import call_command

    from clusters.keys import authority_file

    call_command("migrate", interactive=False, verbosity=0)
    make_administrator(os.environ["FLEET_DEMO_LOGIN"], os.environ["FLEET_DEMO_PASSWORD"])
    # The demo trusts the portal by this file, as a client on the same host does.
    authority_file()


if __name__ == "__main__":
    main()
