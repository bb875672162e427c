"""What is known of the running mesh outside its supervisor: a lock, and a file that says where everything is.

`var/run/mesh.json` is for the `ordermesh` command and for whoever looks: `environment` holds the addresses as every
process gets them, `components` the process id, log and state of each. It holds no passwords.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from deploy.embedded.errors import AlreadyRunningError
from deploy.embedded.secrets import write_private
from deploy.embedded.supervisor import Runner

LEFTOVER_SECONDS = 30.0


@contextmanager
def only_one(run: Path) -> Iterator[None]:
    """Hold the lock of the run folder; it goes with the process, however that ends.

    Raises:
        AlreadyRunningError: another process holds it.
    """
    run.mkdir(parents=True, exist_ok=True)
    with (run / "mesh.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise AlreadyRunningError(
                f"the mesh of this checkout is running already (process {lock.read().strip() or 'unknown'}); "
                "stop it with Ctrl-C there"
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


class StateFile:
    """`mesh.json`, kept current while the mesh runs and removed when it has stopped."""

    def __init__(self, run: Path, environment: Mapping[str, str]) -> None:
        self._path = run / "mesh.json"
        self._environment = dict(environment)

    def write(self, runners: Mapping[str, Runner]) -> None:
        """Write what is the case now."""
        content = {
            "supervisor": os.getpid(),
            "environment": self._environment,
            "components": {name: _described(runner) for name, runner in runners.items()},
        }
        write_private(self._path, json.dumps(content, indent=2) + "\n")

    def remove(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)

    def end_leftovers(self, patience_seconds: float = LEFTOVER_SECONDS) -> None:
        """Wait for what an earlier supervisor, killed without a chance to drain, left behind; then end it by force."""
        if not self._path.exists():
            return
        components = json.loads(self._path.read_text()).get("components", {})
        left = [process for entry in components.values() if (process := _still_there(entry)) is not None]
        _, alive = psutil.wait_procs(left, timeout=patience_seconds)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive)
        self.remove()


def _described(runner: Runner) -> dict[str, object]:
    process = runner.process
    return {
        "state": str(runner.state),
        "process": process.pid if process else None,
        "started": process.started if process else None,
        "restarts": runner.restarts,
        "log": str(runner.component.command.log),
    }


def _still_there(entry: Mapping[str, object]) -> psutil.Process | None:
    pid, started = entry.get("process"), entry.get("started")
    if not isinstance(pid, int):
        return None
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
    # The number may belong to another process by now; the time it was started tells.
    return process if process.create_time() == started else None
