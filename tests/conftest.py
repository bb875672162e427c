"""Fixtures for all tests: real servers, started once, in which each test has a world of its own."""

from __future__ import annotations

pytest_plugins = [
    "tests.fixtures.run_folder",
    "tests.fixtures.servers",
    "tests.fixtures.mesh",
    "tests.fixtures.workers",
]
