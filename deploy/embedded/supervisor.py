"""Starts components in the order of their needs, restarts what dies, and stops everything in reverse."""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from deploy.embedded.certificates import Certificates
from deploy.embedded.component import Component, start
from deploy.embedded.errors import DeployError, reason_of
from deploy.embedded.guard import Guard
from deploy.embedded.limits import raise_file_limit
from deploy.embedded.process import Process

ORPHAN_SECONDS = 20.0


class State(StrEnum):
    """What a component is doing."""

    WAITING = "waiting"
    STARTING = "starting"
    SERVING = "serving"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a dead process is started again, in seconds."""

    first: float = 0.1
    most: float = 10.0
    # A process that served this long before it died is taken for a healthy one.
    forget_after: float = 30.0

    def after(self, last: float, served: float) -> float:
        """Return the wait after a process that served for `served` seconds and had been waited for `last`."""
        if last == 0.0 or served >= self.forget_after:
            return self.first
        return min(self.most, last * 2)


class Runner:
    """One component in the course of its life."""

    def __init__(
        self,
        component: Component,
        told: Callable[["Runner", str], None],
        backoff: Backoff,
        watch: Callable[[int], None],
    ) -> None:
        self.component = component
        self.state = State.WAITING
        self.detail = ""
        self.restarts = 0
        self.process: Process | None = None
        self.serving = asyncio.Event()
        self.stopped = asyncio.Event()
        self._told = told
        self._backoff = backoff
        self._guard = watch
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the process, wait until it serves, and watch it from then on."""
        await self._start(State.STARTING)
        self._watch = asyncio.create_task(self._keep_alive(), name=f"watch {self.component.name}")

    async def stop(self) -> None:
        """Stop the process for good, draining it first."""
        await self._forget()
        if self.process is not None:
            self._turn(State.STOPPING)
            await self.process.stop()
        self._turn(State.STOPPED)
        self.stopped.set()

    def kill(self) -> None:
        """End the process at once, without any chance to clean up; it is then started again like any dead one."""
        if self.process is not None:
            # Known at once to whoever waits for the component to serve again.
            self.serving.clear()
            self.process.send_to_group(signal.SIGKILL)

    async def _start(self, state: State) -> None:
        self._turn(state)
        self.process = await start(self.component, self._guard)
        self._turn(State.SERVING)
        self.serving.set()

    async def _keep_alive(self) -> None:
        wait = 0.0
        while self.process is not None:
            since = time.monotonic()
            code = await self.process.wait()
            self.serving.clear()
            self.process = None
            self.restarts += 1
            reason = f"ended with exit code {code}"
            while self.process is None:
                wait = self._backoff.after(wait, time.monotonic() - since)
                self._turn(State.RESTARTING, f"{reason}; starting again in {wait:.1f} s")
                await asyncio.sleep(wait)
                try:
                    await self._start(State.STARTING)
                except Exception as error:  # noqa: BLE001 - a watch that ended by it would leave the part dead unseen
                    since, reason = time.monotonic(), reason_of(error)

    async def _forget(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        self.serving.clear()

    def _turn(self, state: State, detail: str = "") -> None:
        self.state = state
        self.detail = detail or self.detail
        try:
            self._told(self, detail)
        except OSError:
            # A full disk, or a terminal that is gone. A mesh does not begin so; but no part stays dead, or goes on,
            # because nobody can be told of it.
            if state is State.STARTING and self._watch is None:
                raise


def say_nothing(_runner: Runner, _detail: str) -> None:
    """Tell nobody."""


class Supervisor:
    """Runs a set of components; as a context manager, starts them on entry and stops them on exit."""

    def __init__(
        self,
        components: Sequence[Component],
        *,
        told: Callable[[Runner, str], None] = say_nothing,
        backoff: Backoff | None = None,
        orphan_seconds: float = ORPHAN_SECONDS,
        certificates: Certificates | None = None,
    ) -> None:
        """Take charge of `components`; `told` hears of every change of state, with a detail where there is one.

        Should this process be killed, the components have `orphan_seconds` to stop. Their `certificates` are kept
        fresh while they run.
        """
        self._certificates = certificates
        self._renewing: asyncio.Task[None] | None = None
        self._orphan_seconds = orphan_seconds
        self._guard: Guard | None = None
        backoff = backoff or Backoff()
        self.runners = {component.name: Runner(component, told, backoff, self._watch) for component in components}
        unknown = {need for c in components for need in c.needs + c.uses} - self.runners.keys()
        if unknown:
            raise DeployError(f"needed, but not among the components: {', '.join(sorted(unknown))}")

    async def __aenter__(self) -> Self:
        """Start everything."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        await self.stop()

    async def start(self) -> None:
        """Start every component as soon as what it needs serves; stop everything again when one cannot.

        Raises:
            DeployError: why the first of them could not.
        """
        # First, since it may fail: nothing has been started yet that would have to be stopped.
        if self._certificates is not None:
            self._certificates.keep()
        raise_file_limit()
        self._guard = Guard(self._orphan_seconds)
        if self._certificates is not None:
            self._renewing = asyncio.create_task(self._certificates.keep_fresh(), name="certificates")
        try:
            async with asyncio.TaskGroup() as group:
                for runner in self.runners.values():
                    group.create_task(self._start(runner), name=f"start {runner.component.name}")
        except BaseExceptionGroup as errors:
            await self.stop()
            raise first(errors) from None
        except asyncio.CancelledError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop every component once all that need it have stopped."""
        async with asyncio.TaskGroup() as group:
            for runner in self.runners.values():
                group.create_task(self._stop(runner), name=f"stop {runner.component.name}")
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None
        if self._guard is not None:
            self._guard.dismiss()
            self._guard = None

    def _watch(self, pid: int) -> None:
        if self._guard is not None:
            self._guard.watch(pid)

    def kill_all(self) -> None:
        """End every process at once."""
        for runner in self.runners.values():
            runner.kill()

    async def kill(self, name: str) -> None:
        """End a component's process at once, and return when it is gone; it is started again by itself."""
        runner = self.runners[name]
        process = runner.process
        runner.kill()
        if process is not None:
            await process.wait()

    async def until_serving(self, name: str, seconds: float = 60.0) -> None:
        """Wait until a component serves.

        Raises:
            TimeoutError: it did not in time.
        """
        runner = self.runners[name]
        try:
            async with asyncio.timeout(seconds):
                await runner.serving.wait()
        except TimeoutError:
            told = f"{name} is {runner.state} after {seconds:g} s and {runner.restarts} restarts: {runner.detail}"
            raise TimeoutError(told) from None

    async def _start(self, runner: Runner) -> None:
        for need in runner.component.needs:
            await self.runners[need].serving.wait()
        await runner.start()

    async def _stop(self, runner: Runner) -> None:
        for other in self.runners.values():
            if runner.component.name in other.component.needs + other.component.uses:
                await other.stopped.wait()
        await runner.stop()


def first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error in a group of errors."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
