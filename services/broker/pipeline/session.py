"""One connection of one shard, kept open: reopened when it breaks, its reports without gap or repeat."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import structlog

from services.broker.domain.messages import Command, Cursor, Report
from services.broker.pipeline.outbox import Down, Opened, Outbox
from services.broker.pipeline.ports import HistoryLostError, VenueAdapter, VenueLink
from services.bus.backoff import Backoff
from services.kernel.drain import Drain
from services.kernel.errors import CodedError, unavailable

MOST_PER_SEND: Final = 4_096
MOST_WAITING: Final = 200_000
_GAP_PAGE: Final = 5_000

_log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class Counts:
    """What all sessions of a process have done so far.

    Attributes:
        sent: Commands handed to venues.
        dropped: Commands dropped because their connection was not ready.
        told: Reports passed on.
        repeated: Reports dropped because they had been told before.
        filled: Reports that were missing and asked for.
        opened: Times that a connection came up.
    """

    sent: int = 0
    dropped: int = 0
    told: int = 0
    repeated: int = 0
    filled: int = 0
    opened: int = 0


class ConnectionSession:
    """Keeps one connection open for one route stream.

    Commands are taken only between the `ready` of OrderService and the next break; others are dropped, because a later
    command that reached the venue would make it ignore the earlier ones that OrderService is about to send again.

    Attributes:
        up: Whether the venue is reached.
    """

    def __init__(
        self,
        connection_id: str,
        shard: int,
        adapter: VenueAdapter,
        cursor: Cursor,
        outbox: Outbox,
        *,
        counts: Counts | None = None,
        backoff: Backoff | None = None,
        environment: int = 0,
    ) -> None:
        self.connection_id = connection_id
        self._environment = environment
        self._shard = shard
        self._adapter = adapter
        self._cursor = cursor
        self._outbox = outbox
        self._backoff = backoff or Backoff(0.1, 2.0)
        self._commands: Drain[Command] = Drain()
        self._number = 0
        self._ready = False
        self._told_down = False
        self._counts = counts or Counts()
        self.up = False

    @property
    def cursor(self) -> Cursor:
        """How far its reports were told."""
        return self._cursor

    def ready(self, opened_number: int) -> None:
        """Takes commands from now on, if the newest opening is meant."""
        if self.up and opened_number == self._number:
            self._ready = True

    def submit(self, commands: Sequence[Command]) -> None:
        """Hands commands to the venue, or drops them when they cannot be delivered."""
        if not self._ready:
            self._counts.dropped += len(commands)
            return
        self._commands.put_many(commands)

    async def run(self) -> None:
        """Opens, serves, and opens again, for ever."""
        while True:
            try:
                await self._open_and_serve()
            except CodedError as error:
                self._break(str(error))
            await self._backoff.wait()

    async def _open_and_serve(self) -> None:
        link = await self._open()
        try:
            self._begin(link)
            await self._serve(link)
        finally:
            link.close()
            self._end()

    async def _open(self) -> VenueLink:
        try:
            return await self._adapter.open(self.connection_id, self._shard, self._cursor)
        except HistoryLostError:
            _log.error(
                "the venue has lost its history; its reports begin anew",
                connection_id=self.connection_id,
                epoch=self._cursor.epoch,
                sequence=self._cursor.sequence,
            )
            self._cursor = Cursor()
            return await self._adapter.open(self.connection_id, self._shard, self._cursor)

    def _begin(self, link: VenueLink) -> None:
        self._cursor = Cursor(link.position.epoch, self._cursor.sequence)
        self._number += 1
        self.up, self._told_down = True, False
        self._counts.opened += 1
        self._backoff.reset()
        told = self._adapter.capabilities
        self._outbox.tell(
            Opened(
                self.connection_id,
                link.position,
                self._number,
                told.deduplicates_commands,
                sorted(told.order_types),
                self._environment,
            )
        )
        _log.info(
            "connection is up", connection_id=self.connection_id, shard=self._shard, sequence=self._cursor.sequence
        )

    def _end(self) -> None:
        self.up = self._ready = False
        self._counts.dropped += len(self._commands)
        self._commands.take_waiting(MOST_WAITING * 2)

    def _break(self, text: str) -> None:
        if self._told_down:
            return
        self._told_down = True
        self._outbox.tell(Down(self.connection_id, text))
        _log.warning("connection is down", connection_id=self.connection_id, shard=self._shard, error=text)

    async def _serve(self, link: VenueLink) -> None:
        tasks = {asyncio.create_task(self._send(link)), asyncio.create_task(self._receive(link))}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, link: VenueLink) -> None:
        while True:
            commands = await self._commands.take(MOST_PER_SEND)
            if len(self._commands) > MOST_WAITING:
                raise unavailable("VENUE_UNAVAILABLE", "the venue takes commands too slowly")
            await link.send(commands)
            self._counts.sent += len(commands)

    async def _receive(self, link: VenueLink) -> None:
        async with aclosing(link.reports()) as batches:
            async for reports in batches:
                await self._pass_on(reports)
        raise unavailable("VENUE_UNAVAILABLE", "the venue has ended the stream")

    async def _pass_on(self, reports: list[Report]) -> None:
        first, last = reports[0].sequence, reports[-1].sequence
        if first == self._cursor.sequence + 1 and last - first + 1 == len(reports):
            await self._tell(reports)
            return
        for report in reports:
            if report.sequence <= self._cursor.sequence:
                self._counts.repeated += 1
                continue
            await self._fill_gap(report.sequence)
            await self._tell([report])

    async def _fill_gap(self, before: int) -> None:
        """Asks the venue for the reports between the last one told and the one that came."""
        while (reached := self._cursor.sequence) < before - 1:
            _log.warning(
                "gap in reports", connection_id=self.connection_id, sequence=reached, count=before - 1 - reached
            )
            page = await self._adapter.reports_after(self.connection_id, self._shard, reached, _GAP_PAGE)
            missing = [report for report in page if reached < report.sequence < before]
            if not missing or missing[-1].sequence - reached != len(missing):
                raise unavailable("VENUE_UNAVAILABLE", f"the venue does not tell its report {reached + 1}")
            await self._tell(missing)
            self._counts.filled += len(missing)

    async def _tell(self, reports: list[Report]) -> None:
        await self._outbox.put(self.connection_id, reports)
        self._cursor = Cursor(self._cursor.epoch, reports[-1].sequence)
        self._counts.told += len(reports)
