"""PortfolioService books the order log, each fill exactly once, whatever happens to it and around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from ordermesh.event.v1 import event_log_service_pb2, event_pb2
from ordermesh.portfolio.v1 import account_admin_pb2, portfolio_query_pb2, position_pb2, position_query_pb2
from ordermesh.type.v1 import trading_pb2
from services.bus.connection import connect
from services.bus.consumer import Consumer
from services.bus.topics import stream_key
from services.kernel.errors import CodedError
from services.mesh.service import TaskDiedError
from tests.fakes.order_log import FakeOrderLog
from tests.fixtures.portfolio import PortfolioWorld, Running, portfolio_world
from tests.fixtures.servers import OwnPostgres, OwnRedis
from tests.fixtures.waiting import eventually

AAPL, BTC, ES = "AAPL.XNAS", "BTC-USDT.BINANCE", "ESZ6.XCME"


@pytest_asyncio.fixture
async def world(tmp_path: Path, postgres_url: str, redis_url: str) -> AsyncIterator[PortfolioWorld]:
    """Everything that the service needs."""
    async with portfolio_world(tmp_path, postgres_url, redis_url) as made:
        yield made


async def booked(running: Running, as_of: int, account_id: str = "demo") -> dict[str, position_pb2.Position]:
    """Waits until the log is booked up to a sequence; returns the account's positions, closed ones included."""
    request = position_query_pb2.ListPositionsRequest(account_id=account_id, include_closed=True)

    async def reached() -> position_query_pb2.ListPositionsResponse | None:
        answer = await running.stub.ListPositions(request)
        return answer if answer.as_of >= as_of else None

    return {each.instrument: each for each in (await eventually(reached)).positions}


async def cash(running: Running, account_id: str = "demo") -> dict[str, str]:
    """Returns an account's cash by currency."""
    answer = await running.stub.GetAccount(account_admin_pb2.GetAccountRequest(account_id=account_id))
    return {balance.currency: balance.amount for balance in answer.account.balances}


async def test_the_demo_account_is_there_from_the_first_start_and_only_opened_once(world: PortfolioWorld) -> None:
    """One million dollars, and cash in the other currencies that the first instruments cost; a restart adds nothing."""
    expected = {"INR": "10000000", "JPY": "100000000", "USD": "1000000", "USDT": "1000000"}
    for _ in range(2):
        async with world.running() as running:
            assert await cash(running) == expected
            accounts = await running.stub.ListAccounts(account_admin_pb2.ListAccountsRequest())
            assert [account.account_id for account in accounts.accounts] == ["demo"]


async def test_fills_on_the_bus_become_positions_and_cash(world: PortfolioWorld) -> None:
    """Bought, added, partly sold: quantity, average, profit, fees and cash are what the fills say."""
    async with world.running() as running:
        await world.orders.fill("demo", AAPL, "10", "100", fee="1")
        await world.orders.fill("demo", AAPL, "30", "120", fee="1")
        await world.orders.fill("demo", AAPL, "-10", "125", fee="1", step=3)
        position = (await booked(running, 5))[AAPL]
        assert (position.quantity, position.average_cost, position.cost) == ("30", "115", "3450")
        assert (position.realised_profit, position.fees, position.trade_count) == ("100", "3", 3)
        assert (position.bought_quantity, position.sold_quantity, position.order_sequence) == ("40", "10", 5)
        assert (await cash(running))["USD"] == "996647"


async def test_the_multiplier_and_the_currency_are_the_instruments(world: PortfolioWorld) -> None:
    """A future costs price x 50; a crypto pair is paid in its own currency."""
    async with world.running() as running:
        await world.orders.fill("demo", ES, "-2", "5000")
        await world.orders.fill("demo", BTC, "0.001", "60000.1")
        positions = await booked(running, 2)
        assert (positions[ES].cost, positions[ES].contract_multiplier) == ("-500000", "50")
        assert positions[BTC].currency == "USDT"
        balances = await cash(running)
        assert (balances["USD"], balances["USDT"]) == ("1500000", "999939.9999")


async def test_a_fill_that_its_venue_takes_back_or_corrects_is_booked_anew(world: PortfolioWorld) -> None:
    """The position is that of the fills as they are, cash too; a restart in between books nothing twice."""
    async with world.running() as running:
        first = await world.orders.fill("demo", AAPL, "10", "100", fee="1")
        second = await world.orders.fill("demo", AAPL, "10", "110", fee="1")
        await world.orders.fill("demo", AAPL, "-10", "120", fee="1")
        assert (await booked(running, 3))[AAPL].realised_profit == "150"
        world.orders.adjust(first)
        await world.orders.publish(world.orders.events[-1])
        position = (await booked(running, 4))[AAPL]
        assert (position.quantity, position.realised_profit, position.fees, position.trade_count) == (
            "0",
            "100",
            "2",
            2,
        )
        assert (await cash(running))["USD"] == "1000098"
    world.orders.adjust(second, price="115", quantity="12")
    async with world.running() as running:
        position = (await booked(running, 5))[AAPL]
        assert (position.quantity, position.average_cost, position.realised_profit) == ("2", "115", "50")
        assert (await cash(running))["USD"] == "999818"
        request = event_log_service_pb2.ReadEventsRequest(topics=[event_pb2.TOPIC_POSITION_UPDATED])
        events = (await running.log.ReadEvents(request)).events
        assert [bool(event.position_change.adjusted_by_execution_id) for event in events] == [False] * 3 + [True] * 2
        assert [event.position_change.realised_profit for event in events[-2:]] == ["-50", "-50"]


async def test_what_happened_while_it_was_down_is_booked_when_it_is_back(world: PortfolioWorld) -> None:
    """A restart goes on after the last fill booked, without booking any again."""
    async with world.running() as running:
        await world.orders.fill("demo", AAPL, "1", "10")
        await booked(running, 1)
    await world.orders.fill("demo", AAPL, "1", "20")
    async with world.running() as running:
        position = (await booked(running, 2))[AAPL]
        assert (position.quantity, position.average_cost, position.trade_count) == ("2", "15", 2)


async def test_a_gap_on_the_bus_is_filled_from_the_log(world: PortfolioWorld) -> None:
    """Fills that Redis never had come from the log, before the one that shows the gap."""
    async with world.running() as running:
        await world.orders.fill("demo", AAPL, "1", "10")
        await booked(running, 1)
        world.orders.add("demo", AAPL, "1", "20")
        world.orders.add("demo", AAPL, "1", "30")
        await world.orders.fill("demo", AAPL, "1", "40")
        position = (await booked(running, 4))[AAPL]
        assert (position.quantity, position.average_cost) == ("4", "25")


async def test_a_flushed_bus_loses_nothing(world: PortfolioWorld, redis_url: str) -> None:
    """With Redis emptied and nobody publishing again, the log itself is read."""
    async with world.running() as running:
        await world.orders.fill("demo", AAPL, "1", "10")
        await booked(running, 1)
        redis = connect(redis_url)
        await redis.flushall()
        await redis.aclose()
        world.orders.add("demo", AAPL, "2", "10")
        assert (await booked(running, 2))[AAPL].quantity == "3"


async def test_without_redis_booking_goes_on(tmp_path: Path, postgres_url: str, own_redis: OwnRedis) -> None:
    """Redis dies and comes back: fills are booked in between from the log, and afterwards from the bus."""
    async with portfolio_world(tmp_path, postgres_url, own_redis.url) as world, world.running() as running:
        await world.orders.fill("demo", AAPL, "1", "10")
        await booked(running, 1)
        await own_redis.stop()
        world.orders.add("demo", AAPL, "1", "10")
        assert (await booked(running, 2))[AAPL].quantity == "2"
        await own_redis.start()
        world.orders.add("demo", AAPL, "1", "10")
        assert (await booked(running, 3))[AAPL].quantity == "3"


async def test_a_fill_that_is_in_the_log_twice_is_booked_once(world: PortfolioWorld) -> None:
    """The trade's id decides, not its place in the log."""
    async with world.running() as running:
        trade = await world.orders.fill("demo", AAPL, "1", "10")
        await booked(running, 1)
        world.orders.last_sequence += 1
        world.orders.repeat(trade)
        await world.orders.publish(world.orders.events[-1])
        await world.orders.fill("demo", AAPL, "1", "10")
        position = (await booked(running, 3))[AAPL]
        assert (position.quantity, position.trade_count) == ("2", 2)


async def test_as_of_follows_the_log_where_there_are_no_fills(world: PortfolioWorld) -> None:
    """Orders that do not trade move the log: the books reflect that too, so that answers can be compared."""
    async with world.running() as running:
        await world.orders.fill("demo", AAPL, "1", "10")
        world.orders.last_sequence = 50
        await booked(running, 50)


async def test_a_fill_of_an_account_that_nobody_opened_opens_it(world: PortfolioWorld) -> None:
    """No fill is left out: the account begins without cash, and owes what it bought."""
    async with world.running() as running:
        await world.orders.fill("stranger", AAPL, "1", "10")
        assert (await booked(running, 0, "demo")) == {}

        async def opened() -> dict[str, str] | None:
            accounts = await running.stub.ListAccounts(account_admin_pb2.ListAccountsRequest())
            there = any(account.account_id == "stranger" for account in accounts.accounts)
            return await cash(running, "stranger") if there else None

        assert await eventually(opened) == {"USD": "-10"}
        own = await running.stub.GetPortfolio(portfolio_query_pb2.GetPortfolioRequest(account_id="stranger"))
        assert own.portfolio.account_own


async def test_booking_waits_for_an_instrument_that_nobody_knows_yet(world: PortfolioWorld) -> None:
    """A fill in an unknown instrument holds up booking, and is booked once the instrument is known."""
    terms = world.market.instruments.pop(AAPL)
    async with world.running() as running:
        await world.orders.fill("demo", AAPL, "1", "10")
        await eventually(lambda: AAPL in world.market.asked)
        assert (await cash(running))["USD"] == "1000000"
        world.market.instruments[AAPL] = terms
        assert (await booked(running, 1))[AAPL].quantity == "1"


async def test_postgres_may_die_and_come_back(tmp_path: Path, own_postgres: OwnPostgres, redis_url: str) -> None:
    """While the store is away nothing is booked; when it is back, everything is, once."""
    async with portfolio_world(tmp_path, own_postgres.url, redis_url) as world, world.running() as running:
        await world.orders.fill("demo", AAPL, "1", "10")
        await booked(running, 1)
        await own_postgres.stop()
        await world.orders.fill("demo", AAPL, "1", "10")
        with pytest.raises(CodedError) as refused:
            await running.stub.CreateAccount(
                account_admin_pb2.CreateAccountRequest(
                    account_id="late", environment=trading_pb2.ENVIRONMENT_SIMULATION
                )
            )
        assert refused.value.reason == "STORE_UNAVAILABLE"
        await own_postgres.start()
        position = (await booked(running, 2))[AAPL]
        assert (position.quantity, position.trade_count) == ("2", 2)


async def test_another_order_log_empties_the_books_and_is_booked_from_its_start(world: PortfolioWorld) -> None:
    """The books follow the log that there is: the process ends loudly, and the next one has cash as it was opened."""
    async with world.running() as running:
        await world.orders.fill("demo", AAPL, "5", "10")
        await booked(running, 1)
        first = await running.log.ReadEvents(event_log_service_pb2.ReadEventsRequest())
        world.orders.begin_anew()
        with pytest.raises(TaskDiedError, match="bookkeeper"):
            await asyncio.wait_for(running.task, 20)
    redis = connect(world.settings.redis_url.get_secret_value())
    await redis.delete(stream_key(0, "trade.executed"))
    await redis.aclose()
    await world.orders.fill("demo", BTC, "1", "7")
    async with world.running() as running:
        positions = await booked(running, 1)
        assert set(positions) == {BTC}
        assert await cash(running) == {"INR": "10000000", "JPY": "100000000", "USD": "1000000", "USDT": "999993"}
        second = await running.log.ReadEvents(event_log_service_pb2.ReadEventsRequest())
        assert second.epoch != first.epoch
        assert [event.sequence for event in second.events] == [1]


async def test_an_order_log_that_is_away_does_not_keep_it_from_serving(world: PortfolioWorld) -> None:
    """Risk needs accounts before orders can be placed: answers come from the books as they are."""
    world.orders.answers = False
    async with world.running() as running:
        assert (await cash(running))["USD"] == "1000000"
        world.orders.answers = True
        await world.orders.fill("demo", AAPL, "1", "10")
        assert (await booked(running, 1))[AAPL].quantity == "1"


class _PositionLog:
    """The log of positions over RPC, as another service would read it."""

    def __init__(self, running: Running) -> None:
        self._stub = running.log

    async def read_events(self, after_sequence: int, limit: int, topics: object) -> list[event_pb2.Event]:
        request = event_log_service_pb2.ReadEventsRequest(after_sequence=after_sequence, limit=limit)
        return list((await self._stub.ReadEvents(request)).events)


async def test_bookings_are_on_the_bus_and_in_the_log(world: PortfolioWorld, redis_url: str) -> None:
    """`position.updated` has every booking in order, with the state after it; a reader that missed some finds them."""
    async with world.running() as running:
        for price in ("10", "20", "30"):
            await world.orders.fill("demo", AAPL, "1", price)
        await booked(running, 3)
        redis = connect(redis_url)
        consumer = Consumer(redis, _PositionLog(running), ["position.updated"], {})
        seen: list[event_pb2.Event] = []
        async for batch in consumer.batches():
            seen += batch
            if len(seen) == 3:
                break
        await redis.aclose()
        assert [event.sequence for event in seen] == [1, 2, 3]
        assert [event.position_change.position.quantity for event in seen] == ["1", "2", "3"]
        assert seen[2].position_change.cash == "999940"
        assert [event.position_change.trade_id for event in seen] == [e.trade.trade_id for e in world.orders.events]
        assert not seen[0].position_change.position.HasField("value")


async def test_many_fills_at_once_give_the_same_books_as_one_by_one(world: PortfolioWorld) -> None:
    """A thousand fills in batches: quantity, cash and log agree with a plain sum."""
    for number in range(1_000):
        world.orders.add("demo", AAPL, "-3" if number % 7 == 0 else "1", str(100 + number % 13))
    for event in world.orders.events:
        await world.orders.publish(event)
    async with world.running() as running:
        position = (await booked(running, 1_000))[AAPL]
        paid = sum(_signed(world.orders, n) * Decimal(e.trade.price) for n, e in enumerate(world.orders.events))
        assert position.trade_count == 1_000
        assert Decimal(position.quantity) == sum(_signed(world.orders, n) for n in range(1_000))
        assert Decimal((await cash(running))["USD"]) == 1_000_000 - paid
        log = await running.log.ReadEvents(event_log_service_pb2.ReadEventsRequest(limit=2_000))
        assert [event.sequence for event in log.events] == list(range(1, 1_001))


def _signed(orders: FakeOrderLog, number: int) -> Decimal:
    trade = orders.events[number].trade
    return Decimal(trade.quantity) * (1 if trade.side == 1 else -1)
