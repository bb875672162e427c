"""History on the real engine and Postgres: complete and without doubles, whoever dies in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from ordermesh.marketdata.v1 import (
    candle_access_pb2,
    candle_pb2,
    market_data_service_pb2,
    market_trade_access_pb2,
    market_trade_pb2,
)
from services.kernel.errors import CodedError
from tests.fixtures.marketdata import MarketWorld, market_world
from tests.fixtures.servers import OwnPostgres
from tests.fixtures.waiting import eventually

APPLE = "AAPL.XNAS"
NUMBER = 1


@pytest.fixture
async def world(tmp_path: Path, postgres_url: str, redis_url: str) -> AsyncIterator[MarketWorld]:
    """An engine and the service."""
    async with market_world(tmp_path, postgres_url, redis_url, flush_seconds="0.02") as running:
        yield running


async def all_trades(world: MarketWorld, size: int = 1000) -> list[market_trade_pb2.MarketTrade]:
    """Returns all trades of Apple, oldest first, read page by page."""
    trades: list[market_trade_pb2.MarketTrade] = []
    token = ""
    while True:
        request = market_trade_access_pb2.ListMarketTradesRequest(instrument=APPLE, page_size=size, page_token=token)
        answer = await world.stub.ListMarketTrades(request)
        trades += answer.trades
        token = answer.next_page_token
        if not token:
            return trades[::-1]


async def until_traded(world: MarketWorld, prices: list[str]) -> list[market_trade_pb2.MarketTrade]:
    """Waits until exactly these prices were traded; returns the trades."""
    return await eventually(lambda: all_trades(world), lambda trades: [trade.price for trade in trades] == prices)


async def stored_trades(postgres_url: str) -> int:
    """Returns how many trades are in the store."""
    connection = await asyncpg.connect(postgres_url)
    try:
        return int(await connection.fetchval("select count(*) from marketdata.trade"))
    finally:
        await connection.close()


def price_of(ticks: int) -> str:
    """A price of so many ticks, as the contract writes it."""
    return f"{ticks / 100:.2f}".rstrip("0").rstrip(".")


async def make_trades(world: MarketWorld, ticks: list[int]) -> list[str]:
    """Makes trades; returns their prices."""
    async with world.participant() as trader:
        for price in ticks:
            await trader.trade(NUMBER, price, 2)
    return [price_of(price) for price in ticks]


async def test_trades_and_candles_are_listed_page_by_page(world: MarketWorld) -> None:
    """All trades come newest first, page by page; the candles of a day sum them up, as do those of a second."""
    ticks = [18_000 + step for step in (0, 5, -3, 2, 1, 7, 4)]
    prices = await make_trades(world, ticks)
    await until_traded(world, prices)
    assert [trade.price for trade in await all_trades(world, size=2)] == prices
    day, *rest = await candles(world, candle_pb2.CANDLE_INTERVAL_1D)
    seconds = await candles(world, candle_pb2.CANDLE_INTERVAL_1S)
    assert rest == []
    assert (day.open_price, day.high_price, day.low_price, day.close_price) == ("180", "180.07", "179.97", "180.04")
    assert (day.volume, day.trade_count, day.complete) == ("14", 7, False)
    assert sum(candle.trade_count for candle in seconds) == 7
    assert (seconds[-1].open_price, seconds[0].close_price) == (day.open_price, day.close_price)


async def candles(world: MarketWorld, interval: candle_pb2.CandleInterval.ValueType) -> list[candle_pb2.Candle]:
    """Returns the candles of Apple, newest first."""
    request = candle_access_pb2.ListCandlesRequest(venue="XNAS", symbol="AAPL", interval=interval)
    return list((await world.stub.ListCandles(request)).candles)


async def test_a_restart_finds_the_trades_made_while_it_was_away(world: MarketWorld, postgres_url: str) -> None:
    """Killed at any instant and started later, the service has every trade once, those made meanwhile included."""
    before = await make_trades(world, list(range(18_000, 18_020)))
    await until_traded(world, before)
    await world.service.kill()
    away = await make_trades(world, list(range(18_100, 18_120)))
    await world.service.start()
    after = await make_trades(world, list(range(18_200, 18_205)))
    trades = await until_traded(world, before + away + after)
    assert len({trade.trade_id for trade in trades}) == len(trades)
    assert [trade.sequence for trade in trades] == sorted({trade.sequence for trade in trades})
    await eventually(lambda: stored_trades(postgres_url), lambda count: count == len(trades))
    (day,) = await candles(world, candle_pb2.CANDLE_INTERVAL_1D)
    assert (day.trade_count, day.open_price, day.close_price) == (45, before[0], after[-1])


async def test_the_engine_may_die_and_come_back(world: MarketWorld) -> None:
    """Quotes are marked while the engine is away; with its journal it goes on, and history has no gap and no double."""
    before = await make_trades(world, [18_000, 18_001])
    await until_traded(world, before)
    await world.engine.kill()
    stub, request = world.stub, market_data_service_pb2.StreamQuotesRequest(instruments=[APPLE])
    async for response in stub.StreamQuotes(request):
        quotes = [*response.snapshot.quotes, *response.update.quotes]
        if any(quote.stale for quote in quotes):
            break
    await world.engine.start()
    after = await make_trades(world, [18_002])
    await until_traded(world, before + after)


async def test_an_engine_that_begins_anew_is_told_the_instruments_and_its_trades_follow(world: MarketWorld) -> None:
    """A new, empty journal is a new epoch: instruments are listed again, and its trades come after the old ones."""
    before = await make_trades(world, [18_000, 18_001])
    first = await until_traded(world, before)
    await world.engine.kill()
    world.engine.forget()
    await world.engine.start()

    after = await eventually(lambda: try_to_trade(world, 18_002), bool)
    trades = await until_traded(world, before + after)
    assert trades[-1].epoch != first[-1].epoch
    assert trades[-1].epoch


async def try_to_trade(world: MarketWorld, price: int) -> list[str]:
    """Makes a trade if the engine knows the instrument by now; returns its price."""
    async with world.participant() as trader:
        answers = await trader.ask(trader.limit(NUMBER, 2, price, 1))
        if any(answer.reason for answer in answers):
            return []
        await trader.send(trader.limit(NUMBER, 1, price, 1, immediate=True))
    return [price_of(price)]


async def test_a_store_that_dies_stops_neither_quotes_nor_loses_trades(
    tmp_path: Path, own_postgres: OwnPostgres, redis_url: str
) -> None:
    """While Postgres is away live streams go on and lists answer STORE_UNAVAILABLE; later all trades are there."""
    async with market_world(tmp_path, own_postgres.url, redis_url, flush_seconds="0.02") as world:
        before = await make_trades(world, [18_000, 18_001])
        await until_traded(world, before)
        await own_postgres.stop()
        request = market_trade_access_pb2.StreamTradesRequest(instruments=[APPLE], recent_trades=1)
        stream = world.stub.StreamTrades(request)
        while not (await stream.read()).HasField("snapshot_end"):
            pass
        during = await make_trades(world, [18_002, 18_003])
        assert [trade.price for trade in (await stream.read()).update.trades][:1] == during[:1]
        stream.cancel()
        with pytest.raises(CodedError) as refusal:
            await all_trades(world)
        assert refusal.value.reason == "STORE_UNAVAILABLE"
        await own_postgres.start()
        trades = await eventually(
            lambda: all_or_none(world), lambda trades: [trade.price for trade in trades] == before + during
        )
        assert len({trade.trade_id for trade in trades}) == len(trades)


async def all_or_none(world: MarketWorld) -> list[market_trade_pb2.MarketTrade]:
    """Returns all trades; none while the store is away."""
    try:
        return await all_trades(world)
    except CodedError as error:
        assert error.reason == "STORE_UNAVAILABLE"  # noqa: PT017 - anything else is a fault
        return []
