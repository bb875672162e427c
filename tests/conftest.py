"""Fixtures for all tests: real servers, started once, in which each test has a world of its own."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The same examples in every run, whatever the machine is doing; EXPLORE=1 looks for others.
settings.register_profile(
    "ordermesh",
    deadline=None,
    derandomize=not os.environ.get("EXPLORE"),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ordermesh")

pytest_plugins = [
    "tests.fixtures.run_folder",
    "tests.fixtures.forking",
    "tests.fixtures.clusters",
    "tests.fixtures.engine",
    "tests.fixtures.servers",
    "tests.fixtures.workers",
    "tests.fixtures.mesh",
]
