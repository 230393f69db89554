"""The controller role: the loops of all apps. Observe, plan (pure), record; agents act."""

from clusters import loops as clusters_loops
from deployments import loops as deployments_loops
from fleet_portal.common.loop import LoopRunner
from mesh import loops as mesh_loops


def controller() -> LoopRunner:
    """Return a runner of every app's loops, lower apps first."""
    loops = [*clusters_loops.loops(), *deployments_loops.loops(), *mesh_loops.loops()]
    return LoopRunner(loops)
