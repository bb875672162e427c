"""One child process: its own process group, a log file, and a life that ends with its parent's."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import psutil

from deploy.embedded.errors import DeployError
from deploy.embedded.fork_server import ForkServer

ROTATE_LOG_AT_BYTES = 16 * 1024 * 1024
TAIL_BYTES = 256 * 1024
# A logged error carries its whole traceback in its line; what happened stands at the line's beginning.
WIDEST_LINE = 400


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's user that a process runs as."""

    name: str
    uid: int
    gid: int


_MODULE: Final = "-m"


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, where, as whom, and how to ask it to stop; a Python module may be forked by a fork server."""

    arguments: tuple[str, ...]
    log: Path
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    run_as: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15.0
    fork_server: ForkServer | None = None

    def line(self) -> list[str]:
        """Return the full command line.

        The kernel sends `stop_signal` to the process when its parent dies, however it dies: no orphans. setpriv asks
        for that after it has changed the user, because a change of user clears the request.
        """
        prefix = ["setpriv", "--pdeathsig", self.stop_signal.name.removeprefix("SIG")]
        if self.run_as is not None:
            prefix += ["--reuid", str(self.run_as.uid), "--regid", str(self.run_as.gid), "--clear-groups"]
        return [*prefix, "--", *self.arguments]


class _Child(Protocol):
    """What is asked of a started process: `subprocess.Popen`, or one that a fork server has started."""

    pid: int
    returncode: int | None

    def wait(self) -> int:
        """Return the exit code of a process that has ended."""

    def send_signal(self, number: signal.Signals, /) -> None:
        """Send it a signal."""


class Process:
    """A running child process."""

    def __init__(self, command: Command) -> None:
        """Start `command`; must be called from a thread that lives as long as the process should."""
        self._command = command
        command.log.parent.mkdir(parents=True, exist_ok=True)
        _rotate(command.log)
        with command.log.open("ab") as log:
            self._log_from = log.tell()
            self._child = _start(command, log.fileno())

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def started(self) -> float:
        """When the process was started, which tells it from a later one with the same id (0: it is gone)."""
        try:
            return psutil.Process(self._child.pid).create_time()
        except psutil.NoSuchProcess:
            return 0.0

    def output(self, lines: int = 20) -> str:
        """Return the last lines that this process wrote to its log."""
        return tail(self._command.log, lines, self._log_from)

    async def wait(self) -> int:
        """Wait for the end of the process and return its exit code (negative: the signal that ended it)."""
        if self._child.returncode is None:
            await ended(self._child.pid)
            # The process is not reaped yet, so its group id cannot belong to anybody else.
            self.send_to_group(signal.SIGKILL)
        return self._child.wait()

    async def stop(self) -> int:
        """Ask the process to stop, end it by force when it takes too long, and return its exit code."""
        self.send(self._command.stop_signal)
        try:
            async with asyncio.timeout(self._command.stop_seconds):
                return await self.wait()
        except TimeoutError:
            self.send_to_group(signal.SIGKILL)
            return await self.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self._child.send_signal(number)

    def send_to_group(self, number: signal.Signals) -> None:
        """Send a signal to the process and everything that it started in its group."""
        if self._child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)


def _start(command: Command, log: int) -> _Child:
    environment = {**os.environ, **command.environment}
    server = command.fork_server
    if server is not None and command.run_as is None and command.arguments[1] == _MODULE and server.serves(environment):
        with Path(os.devnull).open("rb") as nothing:
            return server.start(
                command.arguments[2:],
                directory=command.directory,
                environment=environment,
                files=(nothing.fileno(), log, log),
                death_signal=command.stop_signal,
            )
    try:
        return subprocess.Popen(
            command.line(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=command.directory,
            env=environment,
            # A Ctrl-C at the terminal reaches the supervisor alone, which then drains in order.
            start_new_session=True,
        )
    except OSError as error:
        message = f"cannot run {command.arguments[0]}: {error.strerror}"
        raise DeployError(message) from error


def tail(path: Path, lines: int, begin: int = 0) -> str:
    """Return the last lines of a log, none from before the place `begin`; empty when there is no log yet."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        end = log.seek(0, os.SEEK_END)
        log.seek(max(begin, end - TAIL_BYTES))
        last = log.read().decode(errors="replace").splitlines()[-lines:]
    return "\n".join(line if len(line) <= WIDEST_LINE else f"{line[:WIDEST_LINE]} ..." for line in last)


async def ended(pid: int) -> None:
    """Wait until a process has ended, without reaping it."""
    loop = asyncio.get_running_loop()
    end: asyncio.Future[None] = loop.create_future()
    descriptor = os.pidfd_open(pid)
    try:
        loop.add_reader(descriptor, _tell, end)
        await end
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _tell(end: asyncio.Future[None]) -> None:
    if not end.done():
        end.set_result(None)


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > ROTATE_LOG_AT_BYTES:
        log.replace(log.with_suffix(".1.log"))
