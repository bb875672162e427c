"""The supervisor: order of start and stop, restarts, failures, and no process left behind."""

import asyncio
import datetime as dt
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deploy.embedded.authority import Authority
from deploy.embedded.certificates import Certificates
from deploy.embedded.errors import ComponentFailedError, DeployError, NotReadyError
from deploy.embedded.supervisor import Backoff, Runner, State, Supervisor
from tests.fakes.program_component import journal, process_id, program_component

REPOSITORY = Path(__file__).resolve().parents[3]


async def test_components_start_after_what_they_need_and_stop_before_it(tmp_path: Path) -> None:
    """A chain written in any order starts from its end and stops from its beginning."""
    components = [
        program_component(tmp_path, "top", needs=("middle",)),
        program_component(tmp_path, "bottom"),
        program_component(tmp_path, "middle", needs=("bottom",)),
    ]
    async with Supervisor(components):
        pass
    assert journal(tmp_path) == [
        "bottom serves",
        "middle serves",
        "top serves",
        "top drained",
        "middle drained",
        "bottom drained",
    ]


async def test_a_component_starts_beside_what_it_uses_and_stops_before_it(tmp_path: Path) -> None:
    """Two components that use one another's answers do not wait for one another's start; the user drains first."""
    peer = program_component(tmp_path, "peer")
    user_serves = asyncio.Event()

    async def probe_after_the_user() -> None:
        if not user_serves.is_set():
            raise NotReadyError
        await peer.probe()

    def listen(runner: Runner, _detail: str) -> None:
        if runner.component.name == "user" and runner.state is State.SERVING:
            user_serves.set()

    late_peer = type(peer)(
        name="peer", title="Peer", command=peer.command, probe=probe_after_the_user, prepare=peer.prepare
    )
    async with Supervisor([program_component(tmp_path, "user", uses=("peer",)), late_peer], told=listen):
        pass
    assert journal(tmp_path)[2:] == ["user drained", "peer drained"]


async def test_a_killed_process_is_started_again(tmp_path: Path) -> None:
    """Killing a component gives it a new process, while those that need it go on."""
    components = [program_component(tmp_path, "store"), program_component(tmp_path, "user", needs=("store",))]
    async with Supervisor(components, backoff=Backoff(first=0.0)) as supervisor:
        before, user = process_id(tmp_path, "store"), process_id(tmp_path, "user")
        await supervisor.kill("store")
        await supervisor.until_serving("store", seconds=20)
        assert process_id(tmp_path, "store") != before
        assert process_id(tmp_path, "user") == user
        assert supervisor.runners["store"].restarts == 1


async def test_a_restart_that_fails_is_tried_again(tmp_path: Path) -> None:
    """A component that cannot start for a while is started until it can, whatever the reason, which is told."""
    component = program_component(tmp_path, "store")
    refusals = iter([DeployError("disk full"), OSError("disk still full"), KeyError("path"), ValueError()])
    prepare = component.prepare
    told: list[str] = []
    serving_once = asyncio.Event()

    async def refuse() -> None:
        if serving_once.is_set() and (error := next(refusals, None)) is not None:
            raise error
        serving_once.set()
        await prepare()

    def listen(_runner: Runner, detail: str) -> None:
        told.append(detail)

    failing = type(component)(
        name="store", title="Store", command=component.command, probe=component.probe, prepare=refuse
    )
    async with Supervisor([failing], told=listen, backoff=Backoff(first=0.0)) as supervisor:
        await supervisor.kill("store")
        await supervisor.until_serving("store", seconds=20)
    assert [text.split(";")[0] for text in told if text] == [
        "ended with exit code -9",
        "disk full",
        "disk still full",
        "KeyError('path')",
        "ValueError()",
    ]


async def test_no_part_stays_dead_because_nobody_can_be_told(tmp_path: Path) -> None:
    """Once it runs; a mesh that cannot say that it starts does not."""
    deaf = asyncio.Event()

    def listen(_runner: Runner, _detail: str) -> None:
        if deaf.is_set():
            raise OSError(errno.ENOSPC, "disk full")

    async with Supervisor([program_component(tmp_path, "store")], told=listen, backoff=Backoff(first=0.0)) as running:
        deaf.set()
        await running.kill("store")
        await running.until_serving("store", seconds=20)
    assert running.runners["store"].state is State.STOPPED
    with pytest.raises(OSError, match="disk full"):
        await Supervisor([program_component(tmp_path, "store")], told=listen).start()


async def test_a_component_that_cannot_start_stops_the_others_and_shows_its_log(tmp_path: Path) -> None:
    """The error of the start ends with what the broken process wrote, and nothing keeps running."""
    components = [
        program_component(tmp_path, "store"),
        program_component(tmp_path, "service", "broken", needs=("store",)),
    ]
    supervisor = Supervisor(components)
    with pytest.raises(ComponentFailedError, match=r"(?s)Service ended with exit code 3.*the disk is on fire"):
        await supervisor.start()
    assert journal(tmp_path) == ["store serves", "store drained"]
    assert supervisor.runners["store"].state is State.STOPPED


async def test_certificates_are_kept_fresh_whatever_happens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error that nobody expected is told, and does not end it: in a day no part would know another any more."""
    turns = iter([None, KeyError("path"), ValueError()])
    loop, kept = asyncio.get_running_loop(), asyncio.Event()

    class Failing(Certificates):
        def keep(self, *, renew: bool = False) -> None:
            turn = next(turns, kept)
            if isinstance(turn, Exception):
                raise turn
            if turn is kept:
                loop.call_soon_threadsafe(kept.set)

    certificates = Failing(Authority(tmp_path / "tls", dt.timedelta(milliseconds=80)))
    async with Supervisor([], certificates=certificates), asyncio.timeout(20):
        await kept.wait()
    told = capsys.readouterr().err
    assert [line.partition("now: ")[2] for line in told.splitlines()] == ["KeyError('path')", "ValueError()"]


async def test_without_certificates_nothing_is_started(tmp_path: Path) -> None:
    """An authority that is none ends the start, and no process is left behind, not even the guard."""
    certificates = Certificates.at(tmp_path / "tls")
    certificates.authority.folder.mkdir()
    certificates.authority.key.write_text("nonsense")
    before = psutil.Process().children()
    with pytest.raises(DeployError, match="holds no authority"):
        await Supervisor([program_component(tmp_path, "store")], certificates=certificates).start()
    assert psutil.Process().children() == before
    assert not (tmp_path / "journal").exists()


async def test_a_process_that_ignores_the_request_to_stop_is_ended_by_force(tmp_path: Path) -> None:
    """Stopping does not take longer than the component may take."""
    component = program_component(tmp_path, "mule", "stubborn", stop_seconds=0.2)
    async with Supervisor([component]):
        pid = process_id(tmp_path, "mule")
    assert not psutil.pid_exists(pid)


async def test_what_a_process_started_goes_with_it(tmp_path: Path) -> None:
    """A child of a component does not outlive it."""
    async with Supervisor([program_component(tmp_path, "family", "parent")]):
        child = psutil.Process(int((tmp_path / "family.child").read_text()))
    gone, alive = await asyncio.to_thread(psutil.wait_procs, [child], 10)
    assert not alive
    assert gone == [child]


async def test_a_start_that_is_cancelled_leaves_nothing_running(tmp_path: Path) -> None:
    """Ctrl-C during the start stops what was started so far."""
    store = program_component(tmp_path, "store")

    async def never() -> None:
        await asyncio.Event().wait()

    slow = program_component(tmp_path, "slow", needs=("store",))
    waiting = type(slow)(
        name="slow", title="Slow", command=slow.command, probe=slow.probe, needs=slow.needs, prepare=never
    )
    supervisor = Supervisor([store, waiting])
    starting = asyncio.create_task(supervisor.start())
    await supervisor.runners["store"].serving.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not psutil.pid_exists(process_id(tmp_path, "store"))


def test_processes_do_not_outlive_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    """`kill -9` of the supervisor ends its processes, with a chance to drain; one that hangs is ended by force."""
    script = f"""
import asyncio, pathlib
from deploy.embedded.supervisor import Supervisor
from tests.fakes.program_component import program_component
async def main():
    folder = pathlib.Path({str(tmp_path)!r})
    components = [program_component(folder, "orphan"), program_component(folder, "mule", "stubborn", needs=("orphan",))]
    async with Supervisor(components, orphan_seconds=0.2):
        print("started", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
    ) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == b"started\n"
        orphans = [psutil.Process(process_id(tmp_path, name)) for name in ("orphan", "mule")]
        supervisor.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(orphans, timeout=20)
    assert not alive
    assert journal(tmp_path) == ["orphan serves", "mule serves", "orphan drained"]


def test_a_need_that_nobody_meets_is_refused(tmp_path: Path) -> None:
    """A component that needs one that does not run is a mistake told at once."""
    with pytest.raises(DeployError, match="needed, but not among the components: store"):
        Supervisor([program_component(tmp_path, "user", needs=("store",))])


def test_the_wait_between_restarts_grows_and_is_forgotten_after_a_healthy_life() -> None:
    """Waits double up to the most; a process that served long enough starts over."""
    backoff = Backoff(first=0.1, most=0.5, forget_after=30)
    waits = [0.0]
    for _ in range(4):
        waits.append(backoff.after(waits[-1], served=1.0))
    assert waits[1:] == [0.1, 0.2, 0.4, 0.5]
    assert backoff.after(0.5, served=31.0) == 0.1
