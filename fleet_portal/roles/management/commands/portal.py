"""`manage.py portal`: the whole portal, or one of its roles.

Without --role: web and controller in this process, the gateway as its child; the database is
migrated first. With --role the parts run apart, on PostgreSQL and Redis.
"""

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

ROLES = ("all", "web", "gateway", "controller")


class Command(BaseCommand):
    help = "Serve Fleet Portal: pages, REST, tunnel and controller."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--role", choices=ROLES, default="all", help="which part to run")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"run_{options['role']}")()

    def run_all(self) -> None:
        from fleet_portal.roles.controller import controller
        from fleet_portal.roles.gateway import GatewayProcess
        from fleet_portal.roles.web import serve

        call_command("migrate", interactive=False, verbosity=0)
        loops, gateway = controller(), GatewayProcess()

        def ready() -> None:
            gateway.start()
            loops.start()
            self.stdout.write(f"Fleet Portal serves {settings.FLEET_PUBLIC_URL}")

        def stop() -> None:
            gateway.stop()
            loops.stop()

        serve(ready, stop)

    def run_web(self) -> None:
        from fleet_portal.roles.web import serve

        serve(lambda: None, lambda: None)

    def run_controller(self) -> None:
        from fleet_portal.roles.controller import controller
        from fleet_portal.roles.health import HealthServer

        loops = controller()
        health = HealthServer(settings.FLEET_CONTROLLER_LISTEN, loops.loops)
        loops.start()
        health.start()
        _wait_for_signal()
        loops.stop()
        health.stop()

    def run_gateway(self) -> None:
        from fleet_portal.roles.gateway import GatewayProcess

        gateway = GatewayProcess()
        gateway.start()
        _wait_for_signal()
        gateway.stop()


def _wait_for_signal() -> None:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()
