"""A component of the mesh, and the loop that starts it and waits until it serves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from deploy.embedded.errors import ComponentFailedError, NotReadyError
from deploy.embedded.process import Command, Process

PROBE_EVERY_SECONDS = 0.1


async def nothing_to_prepare() -> None:
    """Prepare nothing."""


@dataclass(frozen=True, slots=True)
class Component:
    """What the supervisor needs to know of one process of the mesh.

    What it `needs` serves before it starts; it stops before that and before what it `uses`.

    `probe` raises `NotReadyError` until the component serves. `prepare` runs before each start of the process,
    `prepare_once_ready` after it serves and before anything that needs it starts.
    """

    name: str
    title: str
    command: Command
    probe: Callable[[], Awaitable[None]]
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    prepare: Callable[[], Awaitable[None]] = nothing_to_prepare
    prepare_once_ready: Callable[[], Awaitable[None]] = nothing_to_prepare
    start_seconds: float = 60.0


def not_watched(_pid: int) -> None:
    """Watch over nothing."""


async def start(component: Component, watch: Callable[[int], None] = not_watched) -> Process:
    """Start a component and return its process once it serves; `watch` is told its id as soon as there is one.

    Raises:
        ComponentFailedError: it ended, or did not serve in time; the process is gone then.
    """
    await component.prepare()
    process = Process(component.command)
    try:
        watch(process.pid)
        await _until_ready(component, process)
        await component.prepare_once_ready()
    except BaseException:
        await process.stop()
        raise
    return process


@asynccontextmanager
async def running(component: Component) -> AsyncIterator[Process]:
    """Run a component for the time of a block."""
    process = await start(component)
    try:
        yield process
    finally:
        await process.stop()


async def _until_ready(component: Component, process: Process) -> None:
    ended = asyncio.ensure_future(process.wait())
    try:
        async with asyncio.timeout(component.start_seconds):
            while not await _serves(component):
                await asyncio.wait([ended], timeout=PROBE_EVERY_SECONDS)
                if ended.done():
                    raise ComponentFailedError(_failure(component, process, f"ended with exit code {ended.result()}"))
    except TimeoutError as error:
        reason = f"did not serve within {component.start_seconds:.0f} seconds"
        raise ComponentFailedError(_failure(component, process, reason)) from error
    finally:
        ended.cancel()


async def _serves(component: Component) -> bool:
    try:
        await component.probe()
    except NotReadyError:
        return False
    return True


def _failure(component: Component, process: Process, reason: str) -> str:
    return f"{component.title} {reason}. The end of its log, {component.command.log}:\n{process.output()}"
