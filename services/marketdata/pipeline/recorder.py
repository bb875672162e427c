"""History: every trade of the feed goes to the store once, in order, whatever ends in between.

The history of an instrument is complete up to its cursor. Live trades are queued behind it. Whenever the live feed has
jumped (at a start, after a loss that the feed could not bridge, or when the store was away for so long that memory ran
out) the part between is recovered from the feed's own past, while live trades are held back until their turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import structlog

from services.kernel.drain import Wakeup
from services.kernel.errors import CodedError
from services.marketdata.domain.instrument import Instrument
from services.marketdata.domain.trade import Trade, epoch_number_of, position_of, sequence_of
from services.marketdata.pipeline.epochs import Epochs
from services.marketdata.pipeline.line import Line, State
from services.marketdata.pipeline.live_markets import LiveMarkets, NoMarkets
from services.marketdata.pipeline.ports import (
    HistoryBatch,
    HistoryPart,
    HistoryStore,
    PastFeed,
    Recovered,
)
from services.marketdata.pipeline.retry import Retry

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RecorderOptions:
    """How trades are batched.

    Attributes:
        most_per_batch: Trades in one transaction.
        most_waiting: Trades of one instrument in memory; more are let go and recovered from the feed later.
        flush_seconds: Least time between two transactions.
        cursor_seconds: How often cursors are stored though nothing traded.
    """

    most_per_batch: int = 20_000
    most_waiting: int = 200_000
    flush_seconds: float = 0.2
    cursor_seconds: float = 2.0


@dataclass(slots=True)
class RecorderCounts:
    """What the recorder has done, for metrics."""

    stored: int = 0
    recovered: int = 0
    gaps: int = 0
    failures: int = 0


class Recorder:
    """Takes trades in (see `TradeSink`), stores them, and recovers what is missing."""

    def __init__(
        self,
        store: HistoryStore,
        past: PastFeed,
        epochs: Epochs,
        retry: Retry,
        options: RecorderOptions | None = None,
    ) -> None:
        """Begins without instruments.

        Args:
            store: Keeps history.
            past: Tells what the feed told before.
            epochs: Numbers of epochs.
            retry: Waits between attempts.
            options: How trades are batched.
        """
        self._store, self._past, self._epochs, self._retry = store, past, epochs, retry
        self._live: LiveMarkets = NoMarkets()
        self._options = options or RecorderOptions()
        self._lines: dict[int, Line] = {}
        self._work, self._missing = Wakeup(), Wakeup()
        self.counts = RecorderCounts()

    def attach(self, live: LiveMarkets) -> None:
        """Is told where the live feed is kept."""
        self._live = live

    @property
    def waiting(self) -> int:
        """Trades in memory that the store does not have."""
        return sum(len(line.queued) + len(line.held) for line in self._lines.values())

    @property
    def complete(self) -> bool:
        """Whether nothing is missing between the store, the queues and the live feed."""
        return all(line.state is State.FOLLOWING for line in self._lines.values())

    def begin(self, instrument: Instrument, cursor: int, last_trade_id: int) -> None:
        """Begins the history of an instrument where the store has it."""
        if instrument.number not in self._lines:
            self._lines[instrument.number] = Line(instrument, cursor, cursor, last_trade_id)

    def add(self, number: int, trade: Trade) -> None:
        """Takes a trade of the live feed."""
        line = self._lines[number]
        match line.state:
            case State.FOLLOWING:
                line.queue((trade,))
                self._work.call()
            case State.HOLDING:
                line.held.append(trade)
            case State.BEHIND:
                return
        if len(line.queued) + len(line.held) > self._options.most_waiting:
            self._fall_behind(line)

    def restarted(self, number: int, before: int, after: int, last_trade_id: int) -> None:
        """Is told that the live feed of an instrument jumped from one position to another."""
        line = self._lines[number]
        if line.state is State.FOLLOWING:
            line.reached = max(line.reached, before)
        if epoch_number_of(line.reached) != epoch_number_of(after):
            if line.state is not State.FOLLOWING:
                self._gap(line, "the feed began a new epoch before its past was recovered")
            line.reached = position_of(epoch_number_of(after), 0)
            line.last_trade_id = 0
        if not last_trade_id and not line.last_trade_id:
            # Whatever happened in between, no trade did, nor what may become of one.
            line.reached = max(line.reached, after)
        line.jump(State.HOLDING if line.reached < after else State.FOLLOWING, after, last_trade_id)
        self._missing.call()

    def pending(self, number: int) -> list[Trade]:
        """Returns the trades of an instrument that the store may not have yet, oldest first."""
        line = self._lines.get(number)
        return [trade for trade in (*line.queued, *line.held) if not trade.adjusts] if line else []

    def recovering(self, number: int) -> bool:
        """Tells whether trades before the last are missing, and on their way."""
        line = self._lines.get(number)
        return line is not None and line.state is not State.FOLLOWING

    async def run(self) -> None:
        """Stores what comes, for ever."""
        while True:
            await self._work.wait(self._options.cursor_seconds)
            await self.flush()
            await self._retry.sleep(self._options.flush_seconds)

    async def flush(self) -> None:
        """Stores what waits; a store that is away is asked until it is back."""
        while (batch := self._batch()).parts:
            await self._retry.until_done(partial(self._write, batch), self._failed)
            for part in batch.parts:
                if any(trade.adjusts for trade in part.trades):
                    line = self._lines[part.instrument.number]
                    await self._retry.until_done(partial(self._reload, line), self._failed)

    async def run_recovery(self) -> None:
        """Recovers what is missing, for ever."""
        while True:
            await self._missing.wait()
            while missing := [line for line in self._lines.values() if line.state is not State.FOLLOWING]:
                for line in missing:
                    await self._retry.until_done(partial(self._recover, line), self._failed)

    def _batch(self) -> HistoryBatch:
        room = self._options.most_per_batch
        batch = HistoryBatch()
        for number, line in self._lines.items():
            trades = [trade for trade, _ in zip(line.queued, range(room), strict=False)]
            room -= len(trades)
            if len(trades) < len(line.queued):
                cursor = trades[-1].position if trades else line.cursor
            else:
                cursor = self._complete_up_to(number, line)
            if cursor > line.cursor:
                batch.parts.append(HistoryPart(line.instrument, trades, cursor))
                numbers = {epoch_number_of(cursor), *(trade.epoch_number for trade in trades)}
                batch.epochs.update((number, self._epochs.name_of(number)) for number in numbers)
        return batch

    def _complete_up_to(self, number: int, line: Line) -> int:
        """Between trades the feed tells changes of the book; having seen them counts as well."""
        if line.state is State.FOLLOWING:
            line.reached = max(line.reached, self._live.live_position(number))
        return line.reached

    async def _write(self, batch: HistoryBatch) -> None:
        reached = await self._store.write(batch)
        for part in batch.parts:
            line = self._lines[part.instrument.number]
            line.cursor = reached[part.instrument.number]
            for _ in part.trades:
                line.queued.popleft()
        self.counts.stored += batch.trade_count

    async def _reload(self, line: Line) -> None:
        """Tells the live market what its trades and candles have become; what waits is what the store does not have."""
        stored = await self._store.history(line.instrument)
        waiting = [trade for trade in (*line.queued, *line.held) if trade.position > stored.cursor]
        self._live.adjusted(line.instrument.number, stored, waiting)

    async def _recover(self, line: Line) -> None:
        if line.state is State.BEHIND:
            # From here on live trades are held; what came before is asked for.
            line.jump(State.HOLDING, self._live.live_position(line.instrument.number))
        jumps = line.jumps
        if line.state is State.HOLDING and line.reached < line.target:
            async for part in self._past.recover(line.instrument.number, line.reached, line.target):
                if line.jumps != jumps:
                    return
                self._take(line, part)
                if line.reached >= line.target:
                    break
        if line.state is State.HOLDING and line.reached >= line.target:
            line.queue(line.held)
            line.jump(State.FOLLOWING)
            self._work.call()

    def _take(self, line: Line, part: Recovered) -> None:
        if part.forgotten and line.last_trade_id != line.told_trade_id:
            self._gap(line, "the feed no longer keeps the events that are missing")
        trades = [trade for trade in part.trades if line.reached < trade.position <= line.target]
        line.queue(trades)
        told = position_of(epoch_number_of(line.target), part.sequence)
        line.reached = max(line.reached, min(line.target, told))
        self.counts.recovered += len(trades)
        self._live.recovered(line.instrument.number, trades)
        self._work.call()

    def _fall_behind(self, line: Line) -> None:
        _log.warning("too many trades wait for the store; they will be recovered", instrument=line.instrument.name)
        line.jump(State.BEHIND)
        self._missing.call()

    def _gap(self, line: Line, text: str) -> None:
        self.counts.gaps += 1
        _log.error(
            "trades are missing in history",
            instrument=line.instrument.name,
            error=text,
            sequence=sequence_of(line.reached),
        )

    def _failed(self, error: CodedError) -> None:
        self.counts.failures += 1
        _log.warning("history waits", error=str(error))
