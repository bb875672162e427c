"""All public services, held to their contracts' constraints and doing nothing beyond: for tests of every route."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import AsyncIterator
from typing import Any

from gateway.tables import load_tables
from services.kernel.errors import CodedError, ErrorKind
from services.mesh.server import Server, standard_interceptors
from services.mesh.telemetry import Telemetry

REACHED = "reached"
"""What a call is answered with that keeps every constraint."""


class Contracts:
    """The running server, with a loop of its own."""

    def __init__(self) -> None:
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="contracts", daemon=True)
        self._server: Server | None = None

    def start(self) -> None:
        """Begins to serve."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)

    def stop(self) -> None:
        """Ends at once."""
        if self._server is not None:
            asyncio.run_coroutine_threadsafe(self._server.stop(0), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        telemetry = Telemetry("contracts")
        self._server = Server(telemetry, interceptors=standard_interceptors(telemetry))
        for service in load_tables().services:
            package, _, name = service.name.rpartition(".")
            module = importlib.import_module(f"{package}.{_file(name)}_pb2_grpc")
            servicer = getattr(module, f"{name}Servicer")()
            for method in [each for each in vars(type(servicer)) if not each.startswith("_")]:
                setattr(servicer, method, _streams if method in service.streams else _answers)
            self._server.add(getattr(module, f"add_{name}Servicer_to_server"), servicer)
        self.port = await self._server.start("127.0.0.1:0")
        await self._server.set_serving(serving=True)


def _file(name: str) -> str:
    """The file of a service: of `MarketDataService`, `market_data_service`."""
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name).removeprefix("_")


async def _answers(_request: Any, _context: Any) -> Any:
    raise CodedError(ErrorKind.UNIMPLEMENTED, "UNKNOWN_ROUTE", REACHED)


async def _streams(_request: Any, _context: Any) -> AsyncIterator[Any]:
    raise CodedError(ErrorKind.UNIMPLEMENTED, "UNKNOWN_ROUTE", REACHED)
    yield
