"""StreamPositions loses nothing; StreamPortfolio tells the newest and folds the rest."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration

from ordermesh.portfolio.v1 import account_admin_pb2, portfolio_stream_pb2, position_stream_pb2
from ordermesh.portfolio.v1 import portfolio_admin_pb2 as admin
from ordermesh.type.v1 import stream_pb2
from services.kernel.errors import CodedError
from services.mesh.stream_call import StreamCall
from tests.fakes.market_data import instrument
from tests.fixtures.portfolio import PortfolioWorld, Running, portfolio_world
from tests.fixtures.waiting import eventually

AAPL, BTC, EUR = "AAPL.XNAS", "BTC-USDT.BINANCE", "EUR-USD.LMAX"
FAST = Duration(nanos=50_000_000)
PositionsResponse = position_stream_pb2.StreamPositionsResponse
PortfolioResponse = portfolio_stream_pb2.StreamPortfolioResponse


@pytest_asyncio.fixture
async def world(tmp_path: Path, postgres_url: str, redis_url: str) -> AsyncIterator[PortfolioWorld]:
    """Everything that the service needs."""
    async with portfolio_world(tmp_path, postgres_url, redis_url) as made:
        yield made


@pytest_asyncio.fixture
async def running(world: PortfolioWorld) -> AsyncIterator[Running]:
    """The service, hearing prices."""
    async with world.running() as started:
        await eventually(lambda: world.market.readers)
        yield started


class Positions:
    """A reader of StreamPositions."""

    def __init__(self, running: Running, **request: object) -> None:
        asked = position_stream_pb2.StreamPositionsRequest(account_id="demo", **request)  # type: ignore[arg-type]  # as each test says
        self.call = cast("StreamCall", running.stub.StreamPositions(asked))

    async def read(self) -> PositionsResponse:
        """Returns the next message."""
        message = await asyncio.wait_for(self.call.read(), 20)
        assert message is not None
        return cast("PositionsResponse", message)

    async def snapshot(self) -> list[PositionsResponse]:
        """Returns the messages up to the end of the snapshot."""
        messages = [await self.read()]
        while not messages[-1].HasField("snapshot_end"):
            messages.append(await self.read())
        return messages

    async def changes(self, count: int) -> tuple[list[position_stream_pb2.PositionUpdate], str]:
        """Returns updates until so many changes have come, and the last token."""
        updates: list[position_stream_pb2.PositionUpdate] = []
        while sum(len(update.changes) for update in updates) < count:
            message = await self.read()
            if message.HasField("update"):
                updates.append(message.update)
        return updates, updates[-1].resume_token


class Portfolio:
    """A reader of StreamPortfolio."""

    def __init__(self, running: Running, **request: object) -> None:
        asked = portfolio_stream_pb2.StreamPortfolioRequest(update_interval=FAST, **request)  # type: ignore[arg-type]  # as each test says
        self.call = cast("StreamCall", running.stub.StreamPortfolio(asked))

    async def read(self) -> PortfolioResponse:
        """Returns the next message."""
        message = await asyncio.wait_for(self.call.read(), 20)
        assert message is not None
        return cast("PortfolioResponse", message)

    async def until(self, item: str) -> PortfolioResponse:
        """Returns the next message of a kind."""
        while (message := await self.read()).WhichOneof("item") != item:
            pass
        return message

    async def update(self, **expected: str) -> portfolio_stream_pb2.PortfolioUpdate:
        """Returns the next update whose valuation says this."""
        while True:
            update = (await self.until("update")).update
            if all(getattr(update.value.valuation, name) == value for name, value in expected.items()):
                return update


async def test_positions_come_as_snapshot_then_every_booking(world: PortfolioWorld, running: Running) -> None:
    """What is open first, then each fill with the state after it, joined without gap or overlap."""
    await world.orders.fill("demo", AAPL, "10", "90")
    await world.orders.fill("demo", BTC, "1", "5")
    await world.orders.fill("demo", BTC, "-1", "5")
    await eventually(
        lambda: running.stub.GetAccount(account_admin_pb2.GetAccountRequest(account_id="demo")),
        lambda answer: answer.as_of >= 3,
    )
    world.market.quote(AAPL, "99", "101")
    stream = Positions(running)
    messages = await stream.snapshot()
    assert [message.WhichOneof("item") for message in messages] == [
        "subscribed",
        "snapshot_begin",
        "snapshot",
        "snapshot_end",
    ]
    assert [p.instrument for p in messages[2].snapshot.positions] == [AAPL]
    assert (messages[0].subscribed.sequence, messages[3].snapshot_end.sequence) == (3, 3)
    assert messages[3].snapshot_end.count == 1
    await world.orders.fill("demo", AAPL, "-4", "95", fee="1")
    await world.orders.fill("other", AAPL, "1", "95")
    await world.orders.fill("demo", BTC, "2", "6")
    updates, _ = await stream.changes(2)
    changes = [change for update in updates for change in update.changes]
    assert [(c.sequence, c.position.instrument, c.position.quantity) for c in changes] == [
        (4, AAPL, "6"),
        (6, BTC, "2"),
    ]
    assert (changes[0].realised_profit, changes[0].fee, changes[0].cash) == ("20", "1", "999479")
    assert changes[0].position.value.unrealised_profit == "60"
    stream.call.cancel()


async def test_a_position_stream_resumes_without_loss_or_repeat(world: PortfolioWorld) -> None:
    """Also across a restart of the service, with fills in between that nobody watched."""
    async with world.running() as running:
        stream = Positions(running, instrument=AAPL)
        await stream.snapshot()
        await world.orders.fill("demo", AAPL, "1", "90")
        _, token = await stream.changes(1)
        stream.call.cancel()
        for instrument in (BTC, AAPL, AAPL):
            await world.orders.fill("demo", instrument, "1", "90")
    await world.orders.fill("demo", AAPL, "1", "90")
    async with world.running() as running:
        resumed = Positions(running, instrument=AAPL, resume_token=token)
        first = await resumed.read()
        assert first.subscribed.resumed
        updates, _ = await resumed.changes(3)
        assert [c.position.quantity for update in updates for c in update.changes] == ["2", "3", "4"]
        resumed.call.cancel()


async def test_a_token_of_another_stream_or_log_is_refused(world: PortfolioWorld, running: Running) -> None:
    """A damaged token, one of other filters, and one that is ahead of the log each have their reason."""
    stream = Positions(running)
    token = (await stream.snapshot())[-1].snapshot_end.resume_token
    stream.call.cancel()
    for request in ({"resume_token": "x" + token}, {"instrument": AAPL, "resume_token": token}):
        with pytest.raises(CodedError) as refused:
            await Positions(running, **request).read()
        assert refused.value.reason == "INVALID_RESUME_TOKEN"
        assert [violation.field for violation in refused.value.violations] == ["resume_token"]


async def test_streams_of_an_unknown_account_or_portfolio_fail_at_once(running: Running) -> None:
    """They are not found, like everything of theirs."""
    with pytest.raises(CodedError) as refused:
        await Portfolio(running, account_id="nobody").read()
    assert refused.value.reason == "UNKNOWN_ACCOUNT"
    with pytest.raises(CodedError) as refused:
        await Portfolio(running).read()
    assert [violation.field for violation in refused.value.violations] == ["account_id"]
    request = position_stream_pb2.StreamPositionsRequest(account_id="nobody")
    with pytest.raises(CodedError) as refused:
        await cast("StreamCall", running.stub.StreamPositions(request)).read()
    assert refused.value.reason == "UNKNOWN_ACCOUNT"


async def test_a_quiet_stream_beats_and_a_draining_service_says_goodbye(world: PortfolioWorld) -> None:
    """Heartbeats carry the sequence and a token; before the service stops, both streams say that they end."""
    async with world.running() as running:
        beat = Duration(seconds=1)
        positions = Positions(running, heartbeat_interval=beat)
        portfolio = Portfolio(running, account_id="demo", heartbeat_interval=beat)
        await positions.snapshot()
        heartbeat = await positions.read()
        assert (heartbeat.WhichOneof("item"), bool(heartbeat.heartbeat.resume_token)) == ("heartbeat", True)
        assert (await portfolio.until("heartbeat")).heartbeat.HasField("time")
        running.service.draining.begin()
        goodbye = (await positions.read()).going_away
        assert goodbye.reason == stream_pb2.GOING_AWAY_REASON_DRAINING
        assert goodbye.resume_token
        assert (await portfolio.until("going_away")).going_away.reason == stream_pb2.GOING_AWAY_REASON_DRAINING


async def test_a_rate_that_a_portfolio_does_not_use_is_no_change(world: PortfolioWorld) -> None:
    """Quotes of a currency that the account has nothing in make no update, and heartbeats come all the same."""
    world.market.instruments[EUR] = instrument(EUR, 4, "0.00001", "1000", asset_class=3)

    async def quote_for_ever() -> None:
        for cents in itertools.cycle(range(10)):
            world.market.quote(EUR, f"1.0{cents}", f"1.1{cents}")
            await asyncio.sleep(0.02)

    async with world.running() as running:
        portfolio = Portfolio(running, account_id="demo", heartbeat_interval=Duration(seconds=1))
        await portfolio.until("snapshot_end")
        quoting = asyncio.create_task(quote_for_ever())
        assert [(await portfolio.read()).WhichOneof("item") for _ in range(2)] == ["heartbeat", "heartbeat"]
        quoting.cancel()
        portfolio.call.cancel()


async def test_a_portfolio_comes_whole_then_whenever_a_fill_or_a_price_changes_it(
    world: PortfolioWorld, running: Running
) -> None:
    """Each update is the whole value, with the positions that changed and no others."""
    world.market.quote(AAPL, "99", "101")
    world.market.quote(BTC, "9", "11")
    await world.orders.fill("demo", AAPL, "10", "90")
    await world.orders.fill("demo", BTC, "1", "10")
    stream = Portfolio(running, account_id="demo")
    assert (await stream.read()).subscribed.epoch
    await stream.until("snapshot_end")
    await world.orders.fill("demo", AAPL, "10", "100")
    filled = await stream.update(cash="998100", market_value="2000")
    assert filled.value.valuation.equity == "1000100"
    world.market.quote(AAPL, "100", "102")
    priced = await stream.update(equity="1000120")
    assert [p.instrument for p in priced.value.positions] == [AAPL]
    assert priced.value.positions[0].value.price == "101"
    stream.call.cancel()
    resumed = Portfolio(running, account_id="demo", resume_token=priced.resume_token)
    assert (await resumed.read()).subscribed.resumed
    whole = (await resumed.read()).update
    assert [p.instrument for p in whole.value.positions] == [AAPL, BTC]
    resumed.call.cancel()


async def test_a_slow_reader_of_values_gets_the_newest_and_how_many_were_folded(
    world: PortfolioWorld, running: Running
) -> None:
    """A hundred prices within one interval are one message that says so."""
    world.market.quote(AAPL, "99", "101")
    await world.orders.fill("demo", AAPL, "1", "100")
    stream = Portfolio(running, account_id="demo")
    await stream.until("snapshot_end")
    await stream.update(market_value="100")
    for price in range(100, 200):
        world.market.quote(AAPL, str(price), str(price + 2))
    folded = 0
    while True:
        update = (await stream.until("update")).update
        folded += update.folded
        if update.value.valuation.market_value == "200":
            break
    assert folded > 0
    stream.call.cancel()


async def test_a_stream_of_a_chosen_portfolio_follows_its_instruments(world: PortfolioWorld, running: Running) -> None:
    """Adding an instrument shows its position; deleting the portfolio ends the stream."""
    world.market.quote(AAPL, "99", "101")
    world.market.quote(BTC, "9", "11")
    await world.orders.fill("demo", AAPL, "1", "90")
    await world.orders.fill("demo", BTC, "1", "9")
    made = await running.stub.CreatePortfolio(
        admin.CreatePortfolioRequest(account_id="demo", name="coins", base_currency="USDT")
    )
    portfolio_id = made.portfolio.portfolio_id
    stream = Portfolio(running, portfolio_id=portfolio_id)
    await stream.until("snapshot_end")
    await running.stub.AddPortfolioPosition(
        admin.AddPortfolioPositionRequest(portfolio_id=portfolio_id, instrument=BTC)
    )
    added = await stream.update(market_value="10")
    assert [p.instrument for p in added.value.positions] == [BTC]
    await running.stub.DeletePortfolio(admin.DeletePortfolioRequest(portfolio_id=portfolio_id))
    with pytest.raises(CodedError) as ended:
        await stream.update(market_value="never")
    assert ended.value.reason == "UNKNOWN_PORTFOLIO"
