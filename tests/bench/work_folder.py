"""Where benchmarks keep their data: what a killed one left goes when the next begins."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from tests.fixtures.held_folder import fresh_folder


def work_folder() -> AbstractContextManager[Path]:
    """Makes a folder for the time of a block."""
    return fresh_folder("ordermesh-bench-", Path(tempfile.gettempdir()))
