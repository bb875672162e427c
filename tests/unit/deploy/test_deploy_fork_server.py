"""The fork server: a forked program is a process of its own in every way, and none is left behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.embedded.errors import DeployError
from deploy.embedded.fork_server import ForkServer
from deploy.embedded.process import Command, Process
from tests.fixtures.waiting import eventually

REPOSITORY = Path(__file__).resolve().parents[3]
PROGRAM = "tests.fakes.forked_program"
PATH = {"PYTHONPATH": str(REPOSITORY)}


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """A fork server that has imported the program."""
    server = ForkServer([PROGRAM], REPOSITORY, PATH)
    yield server
    server.close()


def command(folder: Path, server: ForkServer | None, *arguments: str, **environment: str) -> Command:
    """Returns a command that runs the program in a folder."""
    return Command(
        arguments=(sys.executable, "-m", PROGRAM, *arguments),
        log=folder / "program.log",
        directory=folder,
        environment={**PATH, **environment},
        fork_server=server,
    )


async def said(process: Process) -> dict[str, Any]:
    """Returns what the program has said, once it has."""
    line = await eventually(process.output, lambda line: line.endswith("}"))
    told: dict[str, Any] = json.loads(line)
    return told


async def test_a_forked_program_is_as_one_that_was_started_by_itself(tmp_path: Path, server: ForkServer) -> None:
    """Arguments, folder, variables, session, files and exit code are the same."""
    told = []
    for number, forked_by in enumerate((server, None)):
        folder = tmp_path / str(number)
        folder.mkdir()
        process = Process(command(folder, forked_by, "7", "more", TOLD="yes"))
        assert (psutil.Process(process.pid).ppid() == os.getpid()) == (forked_by is None)
        assert await process.wait() == 7
        told.append(await said(process))
        assert told[-1].pop("directory") == str(folder)
    assert told[0] == told[1]
    assert told[0]["arguments"] == ["7", "more"]
    assert told[0]["leads_session"]


async def test_it_is_killed_like_any_process(tmp_path: Path, server: ForkServer) -> None:
    """SIGKILL ends it and nothing else; the next one is another process."""
    first, second = (Process(command(tmp_path, server, "pause")) for _ in range(2))
    first.send(signal.SIGKILL)
    assert await first.wait() == -signal.SIGKILL
    assert psutil.pid_exists(second.pid)
    assert await second.stop() == -signal.SIGTERM
    assert not psutil.pid_exists(second.pid)


async def test_a_traceback_is_in_its_log(tmp_path: Path, server: ForkServer) -> None:
    """A program that fails says why, where it would have without the fork server."""
    process = Process(command(tmp_path, server, "fail"))
    assert await process.wait() == 1
    assert "ZeroDivisionError" in process.output()


async def test_what_is_to_be_done_at_its_end_is_done(tmp_path: Path, server: ForkServer) -> None:
    """What is called at the end of an interpreter is called, and what it has printed is written."""
    process = Process(command(tmp_path, server, "late"))
    assert await process.wait() == 0
    assert process.output().endswith("in the end")


@pytest.mark.parametrize("variable", ["LD_BIND_NOW", "PYTHONUTF8", "LANG", "LC_ALL", "TZ"])
async def test_a_variable_that_only_a_fresh_interpreter_reads_makes_one(
    tmp_path: Path, server: ForkServer, variable: str
) -> None:
    """Such a program is started by itself: what the loader or the interpreter reads would come too late."""
    preloaded = Process(command(tmp_path, server, "pause", **{variable: "1"}))
    assert psutil.Process(preloaded.pid).ppid() == os.getpid()
    await preloaded.stop()
    forked = Process(command(tmp_path, server, "pause", TOLD=variable))
    assert psutil.Process(forked.pid).ppid() != os.getpid()
    await forked.stop()


def test_modules_that_start_threads_are_refused() -> None:
    """A fork would take one thread along, and leave what the others hold as it is for ever."""
    server = ForkServer(["tests.fakes.threaded_program"], REPOSITORY, {})
    with pytest.raises(DeployError, match="has ended"):
        server.wait_until_ready()
    server.close()


async def test_nothing_is_left_when_who_started_it_is_killed(tmp_path: Path) -> None:
    """Fork server and programs end with their owner, however it ends."""
    script = (
        "from pathlib import Path; import signal\n"
        "from deploy.embedded.fork_server import ForkServer\n"
        "from deploy.embedded.process import Process\n"
        "from tests.unit.deploy.test_deploy_fork_server import PATH, PROGRAM, REPOSITORY, command\n"
        "server = ForkServer([PROGRAM], REPOSITORY, PATH)\n"
        f"process = Process(command(Path({str(tmp_path)!r}), server, 'pause'))\n"
        "print(server.pid, process.pid, flush=True)\n"
        "signal.pause()\n"
    )
    told = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=REPOSITORY, env=told, stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    left = [psutil.Process(int(pid)) for pid in (await owner.stdout.readline()).split()]
    server, program = left
    assert program.ppid() == server.pid
    owner.kill()
    await owner.wait()
    _, alive = psutil.wait_procs(left, timeout=20)
    assert not alive
