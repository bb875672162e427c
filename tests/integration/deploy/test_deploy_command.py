"""`python -m deploy.embedded` as a person uses it: start, refusals, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from deploy.embedded.local_mesh import REPOSITORY
from deploy.embedded.ports import unused_port


def _command(directory: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "deploy.embedded", "--directory", str(directory), *arguments]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}


@contextmanager
def _started(directory: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        _command(directory, "--port", str(port), "redis"),
        cwd=REPOSITORY,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            seen = []
            for line in process.stdout:
                seen.append(line)
                if "Ordermesh is running" in line:
                    break
            else:
                raise AssertionError("".join(seen))
            yield process
        finally:
            process.kill()


def _refused(directory: Path, port: int) -> str:
    done = subprocess.run(
        _command(directory, "--port", str(port), "redis"),
        cwd=REPOSITORY,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stdout


def _base_port() -> int:
    """Return a base port below which a hundred ports exist and whose Redis port is unused."""
    while (redis := unused_port()) > 65_000:
        pass
    return redis - 3


def test_ctrl_c_stops_everything_and_succeeds(tmp_path: Path) -> None:
    """The state file tells the processes while they run; after Ctrl-C they and it are gone, and the exit code is 0."""
    with _started(tmp_path, _base_port()) as process:
        state = json.loads((tmp_path / "run" / "mesh.json").read_text())
        redis = psutil.Process(state["components"]["redis"]["process"])
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "Redis stopped" in output
    assert not redis.is_running()
    assert not (tmp_path / "run" / "mesh.json").exists()


def test_a_second_start_is_refused_in_one_line(tmp_path: Path) -> None:
    """The same checkout again: it runs already. Another at the same port: who holds it, and how to move."""
    port = _base_port()
    with _started(tmp_path / "one", port) as process:
        assert _refused(tmp_path / "one", port).startswith(
            f"ordermesh: the mesh of this checkout is running already (process {process.pid})"
        )
        message = _refused(tmp_path / "two", port)
        assert message.startswith(f"ordermesh: port {port + 3} (redis) is in use by redis-server (process ")
        assert "Move all ports with `make run PORT=9080`" in message
