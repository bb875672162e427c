"""Asks every part of the mesh, all at once, and never waits long for any of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from services.kernel.errors import CodedError
from services.system.domain.exposition import merge
from services.system.domain.health import Component, State


class Probe(Protocol):
    """Asks one component whether it is serving."""

    async def ask(self) -> str:
        """Returns nothing when it is serving, else what is wrong.

        Raises:
            CodedError: It does not answer.
        """
        ...


class MetricsSource(Protocol):
    """Reads the metrics of one service."""

    async def read(self) -> str:
        """Returns the Prometheus text.

        Raises:
            CodedError: It cannot be read.
        """
        ...


def _any(_name: str) -> bool:
    return True


class Mesh:
    """The components and sources of metrics, by name."""

    def __init__(
        self,
        probes: Mapping[str, Probe],
        sources: Mapping[str, MetricsSource],
        *,
        timeout_seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probes = dict(sorted(probes.items()))
        self._sources = dict(sorted(sources.items()))
        self._timeout_seconds = timeout_seconds
        self._now = now

    async def components(self, wanted: Callable[[str], bool] = _any) -> tuple[Component, ...]:
        """Returns the state of the components whose name is wanted, or of all, by name."""
        return tuple(await asyncio.gather(*(self._component(name) for name in filter(wanted, self._probes))))

    async def metrics(self) -> str:
        """Returns the metrics of every service as one text."""
        texts = await asyncio.gather(*(self._text(source) for source in self._sources.values()))
        return merge(dict(zip(self._sources, texts, strict=True)))

    async def _component(self, name: str) -> Component:
        began = self._now()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                wrong = await self._probes[name].ask()
        except TimeoutError:
            return Component(name, State.UNREACHABLE, f"no answer within {self._timeout_seconds:g} s")
        except CodedError as error:
            return Component(name, State.UNREACHABLE, error.message)
        return Component(name, State.NOT_SERVING if wrong else State.SERVING, wrong, self._now() - began)

    async def _text(self, source: MetricsSource) -> str | None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await source.read()
        except (TimeoutError, CodedError):
            # Told as `up 0`: one silent service must not hide the metrics of the others.
            return None
