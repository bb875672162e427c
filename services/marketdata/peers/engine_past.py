"""What the engine's feed told before, as far as the engine still keeps it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import cast

from ordermesh.engine.v1 import market_feed_pb2, market_feed_service_pb2, market_feed_service_pb2_grpc, order_pb2
from services.marketdata.domain.trade import Aggressor, Trade, epoch_number_of, position_of, sequence_of
from services.marketdata.peers.engine_venue import venue_errors, venue_unavailable
from services.marketdata.pipeline.epochs import Epochs
from services.marketdata.pipeline.ports import Recovered

AGGRESSORS = {order_pb2.SIDE_BUY: Aggressor.BUY, order_pb2.SIDE_SELL: Aggressor.SELL}
FIRST_EVENT = 1
"""The definition of the instrument, never a trade; the engine takes 0 for the wish to have a snapshot."""
HEARTBEAT_MILLISECONDS = 200


def subscription(
    positions: dict[int, int], epoch: str, heartbeat_milliseconds: int
) -> market_feed_service_pb2.SubscribeRequest:
    """Returns the request to follow instruments after these events; 0 stands for a snapshot."""
    return market_feed_service_pb2.SubscribeRequest(
        subscriptions=[
            market_feed_service_pb2.InstrumentSubscription(instrument_id=number, after_feed_sequence=sequence)
            for number, sequence in positions.items()
        ],
        epoch=epoch,
        heartbeat_interval_milliseconds=heartbeat_milliseconds,
    )


class EnginePast:
    """Recovers trades; see `PastFeed`."""

    def __init__(self, stub: market_feed_service_pb2_grpc.MarketFeedServiceAsyncStub, epochs: Epochs) -> None:
        self._stub, self._epochs = stub, epochs

    async def recover(self, number: int, after: int, to: int) -> AsyncIterator[Recovered]:
        """Yields the trades of an instrument after one position, up to another at least; see `PastFeed`."""
        epoch = self._epochs.name_of(epoch_number_of(to))
        request = subscription({number: max(sequence_of(after), FIRST_EVENT)}, epoch, HEARTBEAT_MILLISECONDS)
        call = cast("AsyncIterable[market_feed_service_pb2.SubscribeResponse]", self._stub.Subscribe(request))
        past = _Parts(epoch_number_of(to))
        with venue_errors():
            async for response in call:
                if response.HasField("subscribed") and response.subscribed.epoch != epoch:
                    raise venue_unavailable("its feed is in another epoch by now")
                if (part := past.part(response)) is not None:
                    yield part
        raise venue_unavailable("its feed ended")


class _Parts:
    """Makes parts of the past out of what a feed tells of one instrument."""

    def __init__(self, epoch_number: int) -> None:
        self._epoch_number = epoch_number

    def part(self, response: market_feed_service_pb2.SubscribeResponse) -> Recovered | None:
        """Returns the part that a message tells; None when it tells none."""
        match response.WhichOneof("content"):
            case "update":
                events = response.update.events
                told = (_entry(event, self._epoch_number) for event in events)
                trades = [trade for trade in told if trade is not None]
                return Recovered(trades, events[-1].feed_sequence)
            case "heartbeat" if response.heartbeat.positions:
                return Recovered([], response.heartbeat.positions[0].feed_sequence)
            case "snapshot" if response.snapshot.complete:
                return Recovered([], response.snapshot.feed_sequence, forgotten=True)
            case _:
                return None


def _entry(event: market_feed_pb2.FeedEvent, epoch_number: int) -> Trade | None:
    """Returns the trade that an event tells, or what becomes of one; None when it tells neither."""
    match event.WhichOneof("content"):
        case "trade":
            return _trade(event, epoch_number)
        case "trade_adjustment":
            told = event.trade_adjustment
            return Trade(
                position_of(epoch_number, event.feed_sequence),
                event.time_ns,
                told.price_ticks,
                told.quantity_lots,
                Aggressor.UNKNOWN,
                told.trade_id,
                canceled=not told.quantity_lots,
                adjusts=True,
            )
        case _:
            return None


def _trade(event: market_feed_pb2.FeedEvent, epoch_number: int) -> Trade:
    trade = event.trade
    return Trade(
        position_of(epoch_number, event.feed_sequence),
        event.time_ns,
        trade.price_ticks,
        trade.quantity_lots,
        AGGRESSORS.get(trade.aggressor_side, Aggressor.UNKNOWN),
        trade.trade_id,
    )
