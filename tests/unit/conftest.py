"""What holds for all unit tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.mesh.context import enter_call


@pytest.fixture(autouse=True)
def _no_call() -> Iterator[None]:
    """No test leaves its caller to the next one."""
    yield
    enter_call(None)
