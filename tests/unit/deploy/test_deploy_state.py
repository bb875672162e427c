"""The lock and the state file of a running mesh."""

import json
import stat
from pathlib import Path

import psutil
import pytest

from deploy.embedded.errors import AlreadyRunningError
from deploy.embedded.secrets import password
from deploy.embedded.state import StateFile, only_one
from deploy.embedded.supervisor import Supervisor
from tests.fakes.program_component import process_id, program_component


def test_a_checkout_runs_once(tmp_path: Path) -> None:
    """A second start is refused while the first runs, and allowed afterwards."""
    with only_one(tmp_path), pytest.raises(AlreadyRunningError, match="running already"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


async def test_the_state_file_tells_addresses_processes_and_logs(tmp_path: Path) -> None:
    """Whoever reads the file finds every component of the running mesh."""
    state = StateFile(tmp_path, {"ORDERMESH_ORDER_ADDRESS": "127.0.0.1:1"})
    async with Supervisor([program_component(tmp_path, "order")]) as supervisor:
        state.write(supervisor.runners)
        content = json.loads((tmp_path / "mesh.json").read_text())
        assert content["environment"] == {"ORDERMESH_ORDER_ADDRESS": "127.0.0.1:1"}
        assert content["components"]["order"]["process"] == process_id(tmp_path, "order")
        assert content["components"]["order"]["state"] == "serving"
        assert content["components"]["order"]["log"] == str(tmp_path / "logs" / "order.log")
    state.remove()
    assert not (tmp_path / "mesh.json").exists()


async def test_what_a_killed_supervisor_left_is_ended_before_a_new_start(tmp_path: Path) -> None:
    """Processes of the state file that still run are waited for and then ended; others with their id are not."""
    state = StateFile(tmp_path, {})
    async with Supervisor([program_component(tmp_path, "left"), program_component(tmp_path, "other")]) as supervisor:
        state.write(supervisor.runners)
        path = tmp_path / "mesh.json"
        content = json.loads(path.read_text())
        content["components"]["other"]["started"] -= 1
        path.write_text(json.dumps(content))
        left = process_id(tmp_path, "left")
        state.end_leftovers(patience_seconds=0.1)
        assert not _runs(left)
        assert _runs(process_id(tmp_path, "other"))


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_password_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """The same file gives the same password; no one else can read it."""
    path = tmp_path / "run" / "secret"
    first = password(path)
    assert password(path) == first
    assert password(tmp_path / "run" / "another") != first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
