"""The main of a service: settings, logs, telemetry, the server, background tasks, signals, and a clean end."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

import structlog
import uvloop

from services.kernel.clock import Clock, SystemClock
from services.kernel.decimals import use_exact_context
from services.kernel.errors import CodedError
from services.kernel.identifiers import Identifiers, UuidV7
from services.mesh.access.enforcing import enforcement
from services.mesh.audit import Notes
from services.mesh.certificate import certificate_of, names_of
from services.mesh.client import Channels
from services.mesh.config import ConfigurationError, ServiceSettings
from services.mesh.context import detached
from services.mesh.draining import Draining
from services.mesh.names import Key
from services.mesh.refusals import Refusals
from services.mesh.server import Server, standard_interceptors, write_whole
from services.mesh.telemetry import Telemetry, configure_logging

C = TypeVar("C", bound=ServiceSettings)
T = TypeVar("T")

CANCEL_AGAIN_SECONDS = 1.0

EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2

_log = structlog.stdlib.get_logger(__name__)


class TaskDiedError(Exception):
    """A background task ended though the service was to go on."""


class Service(Generic[C]):
    """A running service, as its main sees it.

    Attributes:
        settings: What it was told.
        clock: The clock of the machine.
        identifiers: Makes identifiers.
        telemetry: Its metrics and traces.
        channels: Its channels to peers.
        draining: Tells when it is about to stop.
        server: Its gRPC server; add servicers to it.
        refusals: Counts the calls that it refuses.
    """

    def __init__(self, settings: C, telemetry: Telemetry) -> None:
        self.settings = settings
        self.clock: Clock = SystemClock()
        self.identifiers: Identifiers = UuidV7(self.clock)
        self.telemetry = telemetry
        certificate = certificate_of(settings)
        self.channels = Channels(telemetry.client_interceptors(), certificate=certificate, names=names_of(settings))
        self.draining = Draining()
        self.refusals = Refusals(self.clock)
        access = enforcement(settings, self.channels, self.clock) if settings.enforce_access else None
        self.server = Server(
            telemetry,
            draining=self.draining,
            interceptors=standard_interceptors(
                telemetry,
                access=None if access is None else access.interceptor,
                proxies=settings.trusted_proxies,
                refusals=self.refusals,
            ),
            max_concurrent_calls=settings.max_concurrent_calls,
            certificate=certificate,
        )
        self.log = _log
        self._resources = AsyncExitStack()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopping = False
        if access is not None:
            self.spawn("token keys", access.keys.run())
        if certificate is not None:
            self.spawn("certificate", certificate.watch(self.channels.renew))

    async def enter(self, resource: AbstractAsyncContextManager[T]) -> T:
        """Opens something that is closed when the service ends, the last opened first."""
        return await self._resources.enter_async_context(resource)

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Calls this when the service ends, after its background tasks have."""
        self._resources.push_async_callback(close)

    def spawn(self, name: str, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs a task for as long as the service lives; the service ends loudly if the task does."""
        task = detached(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def record_refusals(self, notes: Notes) -> None:
        """Records in the service's audit log which calls were refused, from now until it ends."""
        self.spawn("refusals", self.refusals.run(notes))
        self.on_close(partial(self.refusals.close, notes))

    def stop(self) -> None:
        """Asks the service to drain and end."""
        if not self._failure.done():
            self._failure.set_result(None)

    async def run(self, main: Callable[[Service[C]], Awaitable[None]]) -> None:
        """Lets main wire the service, serves until told to stop, drains, and closes everything.

        Raises:
            TaskDiedError: A background task ended.
        """
        async with self._resources:
            self._resources.push_async_callback(self.channels.close)
            try:
                await self._until_failure(main(self))
                await self._serve()
                await self._failure
            finally:
                await self._end()

    async def _until_failure(self, starting: Awaitable[None]) -> None:
        task = asyncio.ensure_future(starting)
        await asyncio.wait({task, self._failure}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._failure.result()
            return
        task.result()

    async def _serve(self) -> None:
        if self._failure.done():
            return
        self._serve_metrics()
        port = await self.server.start(self.settings.address, self.settings.port_file)
        await self.server.set_serving(serving=True)
        _log.info("serving", **{Key.ADDRESS: f"{self.settings.address.rpartition(':')[0]}:{port}"})

    def _serve_metrics(self) -> None:
        host, _, port = self.settings.metrics_address.rpartition(":")
        metrics = self.telemetry.serve_metrics(host, int(port))
        self._resources.callback(metrics.close)
        if self.settings.metrics_port_file is not None:
            write_whole(self.settings.metrics_port_file, f"{metrics.port}\n")

    async def _end(self) -> None:
        self._stopping = True
        await self.server.stop(self.settings.drain_seconds)
        pending = set(self._tasks)
        while pending:
            # Again and again: libraries lose a cancellation now and then (asyncio.wait_for of Python 3.11 does).
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)
        _log.info("stopped")

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if self._stopping or self._failure.done():
            return
        error = None if task.cancelled() else task.exception()
        _log.critical("background task died", exc_info=error, **{Key.TASK: task.get_name()})
        failure = TaskDiedError(f"background task {task.get_name()} died: {error or 'it ended'}")
        failure.__cause__ = error
        self._failure.set_exception(failure)


def run(settings: type[C], main: Callable[[Service[C]], Awaitable[None]]) -> NoReturn:
    """Runs a service until it is told to stop, and exits: 0 when told, 1 when it failed, 2 when it was told wrong."""
    try:
        loaded = settings.load()
    except ConfigurationError as error:
        _say(f"{settings.service}: {error}")
        sys.exit(EXIT_MISCONFIGURED)
    use_exact_context()
    # What is loaded by now stays: nobody has to look at it again.
    gc.freeze()
    configure_logging(settings.service, loaded.log_level)
    sys.exit(uvloop.run(_run(loaded, main)))


async def _run(settings: C, main: Callable[[Service[C]], Awaitable[None]]) -> int:
    telemetry = Telemetry.start(settings.service, settings.otel_endpoint)
    loop = asyncio.get_running_loop()
    try:
        service = Service(settings, telemetry)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, service.stop)
        await service.run(main)
    except ConfigurationError as error:
        _say(f"{settings.service}: {error}")
        return EXIT_MISCONFIGURED
    except (CodedError, OSError, TaskDiedError) as error:
        _say(f"{settings.service}: {error}")
        return EXIT_FAILED
    except Exception:  # noqa: BLE001 - the last to see it: logged with its traceback, told by the exit code
        _log.critical("the service failed", exc_info=True)
        return EXIT_FAILED
    finally:
        telemetry.close()
    return 0


def _say(line: str) -> None:
    print(line.replace("\n", " "), file=sys.stderr, flush=True)  # noqa: T201 - for whoever starts the service
