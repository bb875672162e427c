"""OrderService's log, played: fills that a test makes, on the bus and over RPC."""

from __future__ import annotations

import uuid
from decimal import Decimal

import grpc
from redis.asyncio import Redis

from ordermesh.event.v1 import event_log_service_pb2, event_log_service_pb2_grpc, event_pb2
from ordermesh.order.v1 import order_pb2
from ordermesh.type.v1 import trading_pb2
from services.bus.topics import FIELD, entry_id, stream_key

TOPIC = "trade.executed"


class FakeOrderLog(event_log_service_pb2_grpc.EventLogServiceServicer):
    """A log of fills.

    Attributes:
        epoch: Its incarnation.
        events: What it holds.
        last_sequence: How far it has got, with or without a fill.
        answers: Whether it answers over RPC.
        shard_count: How many logs it says there are.
    """

    def __init__(self, redis: Redis, shard: int = 0, shard_count: int = 1) -> None:
        self._redis, self._shard, self.shard_count = redis, shard, shard_count
        self.begin_anew()
        self.answers = True

    def begin_anew(self) -> None:
        """Becomes another log, an empty one."""
        self.epoch = str(uuid.uuid4())
        self.events: list[event_pb2.Event] = []
        self.last_sequence = 0

    async def unpublish(self) -> None:
        """Takes its stream off the bus, as the relay of a new log does."""
        await self._redis.delete(stream_key(self._shard, TOPIC))

    async def fill(
        self, account_id: str, instrument: str, quantity: str, price: str, *, fee: str = "0", step: int = 1
    ) -> order_pb2.Trade:
        """Adds a fill, a negative quantity sells, and publishes it."""
        trade = self.add(account_id, instrument, quantity, price, fee=fee, step=step)
        await self.publish(self.events[-1])
        return trade

    def add(
        self, account_id: str, instrument: str, quantity: str, price: str, *, fee: str = "0", step: int = 1
    ) -> order_pb2.Trade:
        """Adds a fill without publishing it; `step` leaves room for events that are no fills."""
        self.last_sequence += step
        trade = order_pb2.Trade(
            trade_id=str(uuid.uuid4()),
            order_id=str(uuid.uuid4()),
            client_order_id="c",
            account_id=account_id,
            instrument=instrument,
            side=trading_pb2.SIDE_SELL if Decimal(quantity) < 0 else trading_pb2.SIDE_BUY,
            price=price,
            quantity=quantity.removeprefix("-"),
            fee=fee,
            sequence=self.last_sequence,
        )
        trade.executed_at.FromNanoseconds(1_700_000_000_000_000_000 + self.last_sequence)
        self.repeat(trade)
        return trade

    def adjust(self, trade: order_pb2.Trade, *, price: str = "", quantity: str = "") -> order_pb2.Trade:
        """Adds the cancel of a fill, or its correction to a price and quantity, without publishing it."""
        self.last_sequence += 1
        told = order_pb2.Trade()
        told.CopyFrom(trade)
        told.sequence, told.adjusted_by_execution_id = self.last_sequence, str(uuid.uuid4())
        told.adjustment_type = order_pb2.TRADE_ADJUSTMENT_TYPE_CANCELED
        if quantity:
            told.adjustment_type = order_pb2.TRADE_ADJUSTMENT_TYPE_CORRECTED
            told.price, told.quantity = price, quantity
        self.repeat(told)
        return told

    def repeat(self, trade: order_pb2.Trade) -> None:
        """Adds a fill as the next event, whatever it is."""
        event = event_pb2.Event(
            epoch=self.epoch,
            sequence=self.last_sequence,
            previous_sequence=self.events[-1].sequence if self.events else 0,
            topic=event_pb2.TOPIC_TRADE_EXECUTED,
            trade=trade,
        )
        self.events.append(event)

    async def publish(self, event: event_pb2.Event) -> None:
        """Publishes an event on the bus."""
        fields = {FIELD: event.SerializeToString()}
        await self._redis.xadd(stream_key(self._shard, TOPIC), fields, id=entry_id(event.sequence))  # type: ignore[arg-type]  # redis-py's dict is invariant

    async def ReadEvents(
        self,
        request: event_log_service_pb2.ReadEventsRequest,
        context: grpc.aio.ServicerContext[
            event_log_service_pb2.ReadEventsRequest, event_log_service_pb2.ReadEventsResponse
        ],
    ) -> event_log_service_pb2.ReadEventsResponse:
        """Reads events after a sequence."""
        if not self.answers:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        assert request.shard == self._shard
        events = [event for event in self.events if event.sequence > request.after_sequence][: request.limit]
        return event_log_service_pb2.ReadEventsResponse(
            events=events, epoch=self.epoch, last_sequence=self.last_sequence, shard_count=self.shard_count
        )
