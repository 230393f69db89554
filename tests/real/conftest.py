"""Gives the fixtures of real clusters to the tests in this folder."""

from tests.real.fixtures import (
    control_planes,
    make_namespace,
    pytest_runtest_makereport,
    pytest_runtest_setup,
    real_cluster,
    real_namespace,
)

__all__ = [
    "control_planes",
    "make_namespace",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "real_cluster",
    "real_namespace",
]
