"""The order log: fills from the bus, complete and in order, with gaps filled by RPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal

import structlog
from redis.asyncio import Redis

from ordermesh.event.v1 import event_log_service_pb2, event_log_service_pb2_grpc, event_pb2
from ordermesh.order.v1 import order_pb2
from services.bus.consumer import Consumer
from services.bus.topics import NAME_OF_TOPIC, TOPIC_OF_NAME
from services.kernel.decimals import ZERO
from services.kernel.errors import CodedError
from services.mesh.client import Channel
from services.portfolio.domain.fill import Adjustment, Fill
from services.portfolio.domain.values import Side
from services.portfolio.pipeline.ports import Cursor, FillBatch, LogChangedError, ShardMismatchError

SERVICE = event_log_service_pb2.DESCRIPTOR.services_by_name["EventLogService"].full_name
TOPIC = NAME_OF_TOPIC[event_pb2.TOPIC_TRADE_EXECUTED]
PROBE_SECONDS = 1.0
_MOST_PER_PROBE = 500
_BILLION = 1_000_000_000
_SIDES = {side.value: side for side in Side}
"""Members by number: a look-up costs a fifth of a call of the class."""

_log = structlog.stdlib.get_logger(__name__)


class OrderEventLog:
    """The log of a shard of OrderService over RPC. All methods raise CodedError SERVICE_UNAVAILABLE."""

    def __init__(self, channel: Channel, shard: int = 0) -> None:
        self._stub = event_log_service_pb2_grpc.EventLogServiceStub(channel)
        self.shard = shard

    async def read_events(self, after_sequence: int, limit: int, topics: Sequence[str]) -> Sequence[event_pb2.Event]:
        """Returns about `limit` committed events of some topics after a sequence, by sequence; none when no more."""
        return (await self.read(after_sequence, limit, topics)).events

    async def read(
        self, after_sequence: int, limit: int, topics: Sequence[str]
    ) -> event_log_service_pb2.ReadEventsResponse:
        """Returns the same with what the log says of itself."""
        return await self._stub.ReadEvents(
            event_log_service_pb2.ReadEventsRequest(
                after_sequence=after_sequence,
                limit=limit,
                topics=[event_pb2.Topic.ValueType(TOPIC_OF_NAME[topic]) for topic in topics],
                shard=self.shard,
            )
        )


class OrderLogFills:
    """The fills of the order log of a shard.

    Redis is fast and may be empty, old, or away; the log itself is asked whenever nothing has come for a while. That is
    also how the log's being another one is noticed, and how far it has got without a fill.
    """

    def __init__(
        self, redis: Redis, log: OrderEventLog, *, shard_count: int = 1, probe_seconds: float = PROBE_SECONDS
    ) -> None:
        self._redis, self._log, self._probe_seconds = redis, log, probe_seconds
        self._shard_count = shard_count

    async def epoch(self) -> str:
        """Returns the incarnation of the log.

        Raises:
            CodedError: SERVICE_UNAVAILABLE.
            ShardMismatchError: There are more logs, or fewer, than this process was told of.
        """
        answer = await self._log.read(0, 1, [TOPIC])
        if (count := answer.shard_count or 1) != self._shard_count:
            raise ShardMismatchError(f"there are {count} order logs, and this process is told of {self._shard_count}")
        return answer.epoch

    async def follow(self, cursor: Cursor) -> AsyncIterator[FillBatch]:
        """Yields what comes after a cursor, for ever, none left out.

        Raises:
            LogChangedError: The log is no longer that of the cursor.
            CodedError: SERVICE_UNAVAILABLE.
        """
        consumer = Consumer(self._redis, self._log, [TOPIC], {TOPIC: cursor.sequence}, shard=self._log.shard)
        probe = _Probe(self._log, cursor)
        batches = consumer.batches()
        waiting: asyncio.Future[list[event_pb2.Event]] = asyncio.ensure_future(anext(batches))
        try:
            while True:
                done, _ = await asyncio.wait({waiting}, timeout=self._probe_seconds)
                if done:
                    events = _result(waiting)
                    waiting = asyncio.ensure_future(anext(batches))
                else:
                    events = await probe.ask()
                yield probe.take(events)
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


class _Probe:
    """Keeps what is known of the log: how far fills were handed on, and how far the log had got when last asked."""

    def __init__(self, log: OrderEventLog, cursor: Cursor) -> None:
        self._log, self._epoch = log, cursor.epoch
        self._handed_on = self._as_of = cursor.sequence
        self._last = 0
        self._answers = True

    async def ask(self) -> list[event_pb2.Event]:
        """Returns the fills after the last one handed on: the log may be ahead of the bus."""
        try:
            answer = await self._log.read(self._handed_on, _MOST_PER_PROBE, [TOPIC])
        except CodedError as error:
            # The bus may still have what is not booked yet; only news of the log itself has to wait.
            self._note(answers=False, error=str(error))
            return []
        self._note(answers=True)
        self._check(answer.epoch)
        if not answer.events:
            # All up to what the log held at the time of the question before was there to be read now.
            self._as_of = max(self._as_of, self._last)
        self._last = answer.last_sequence
        return list(answer.events)

    def _note(self, *, answers: bool, error: str = "") -> None:
        if answers != self._answers:
            self._answers = answers
            _log.warning("the order log answers again" if answers else "the order log does not answer", error=error)

    def take(self, events: Sequence[event_pb2.Event]) -> FillBatch:
        """Returns what is new; it may be nothing."""
        for event in events:
            self._check(event.epoch)
        fresh = [event for event in events if event.sequence > self._handed_on]
        if fresh:
            self._handed_on = fresh[-1].sequence
        self._as_of = max(self._as_of, self._handed_on)
        return FillBatch([_fill(event) for event in fresh], self._as_of)

    def _check(self, epoch: str) -> None:
        if epoch != self._epoch:
            raise LogChangedError(f"the order log is {epoch}, and was {self._epoch}")


def _result(waiting: asyncio.Future[list[event_pb2.Event]]) -> list[event_pb2.Event]:
    try:
        return waiting.result()
    except RuntimeError as error:
        # The bus names events that the log does not have: one of them is not of this log.
        raise LogChangedError(str(error)) from error


def _fill(event: event_pb2.Event) -> Fill:
    trade: order_pb2.Trade = event.trade
    return Fill(
        trade_id=trade.trade_id,
        account_id=trade.account_id,
        instrument=trade.instrument,
        side=_SIDES[trade.side],
        price=Decimal(trade.price),
        quantity=Decimal(trade.quantity),
        fee=Decimal(trade.fee) if trade.fee else ZERO,
        sequence=event.sequence,
        executed_at_ns=trade.executed_at.seconds * _BILLION + trade.executed_at.nanos,
        adjustment=_adjustment(trade) if trade.adjustment_type else None,
    )


def _adjustment(trade: order_pb2.Trade) -> Adjustment:
    canceled = trade.adjustment_type == order_pb2.TRADE_ADJUSTMENT_TYPE_CANCELED
    return Adjustment(trade.adjusted_by_execution_id, canceled)
