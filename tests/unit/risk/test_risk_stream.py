"""The Reserve stream: settlements, a sync, checks in their order, each reserving once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest
import pytest_asyncio

from ordermesh.risk.v1 import reservation_service_pb2
from ordermesh.type.v1 import error_pb2, risk_breach_pb2, trading_pb2
from services.kernel.errors import CodedError
from services.risk.domain.market import Market
from tests.fakes.reserve_client import ended, fill, reservation
from tests.fakes.risk_world import RiskWorld, risk_world
from tests.fixtures.waiting import eventually

ACCEPTED = error_pb2.ERROR_REASON_UNSPECIFIED
EXCEEDED = error_pb2.ERROR_REASON_RISK_LIMIT_EXCEEDED


@pytest_asyncio.fixture
async def world() -> AsyncIterator[RiskWorld]:
    async with risk_world() as running:
        yield running


async def test_batch_is_checked_in_its_order(world: RiskWorld) -> None:
    """Each order of a batch meets the state that the ones before it leave."""
    world.limit(max_position_size="25")
    async with world.stream() as stream:
        await stream.sync()
        decisions = await stream.reserve(*(reservation(number) for number in range(4)))
    assert [decision.reason for decision in decisions] == [ACCEPTED, ACCEPTED, EXCEEDED, EXCEEDED]
    assert decisions[2].breach == risk_breach_pb2.RiskBreach(
        rule=risk_breach_pb2.RISK_RULE_MAX_POSITION_SIZE,
        limit="25",
        observed="30",
        unit="units",
        text="the position, open orders included, would be 30 units; the limit is 25 units",
    )


async def test_repeated_check_reserves_once(world: RiskWorld) -> None:
    """The same order checked again is accepted again and holds one reservation."""
    world.limit(max_position_size="20")
    async with world.stream() as stream:
        await stream.sync()
        for _ in range(3):
            assert (await stream.one("same")).reason == ACCEPTED
        assert (await stream.one("next")).reason == ACCEPTED
        assert (await stream.one("last")).reason == EXCEEDED


async def test_release_lets_go(world: RiskWorld) -> None:
    """A reservation that was let go does not count; letting go of an unknown one does no harm."""
    world.limit(max_position_size="10")
    async with world.stream() as stream:
        await stream.sync()
        assert (await stream.one(1)).reason == ACCEPTED
        await stream.release(1, "unknown")
        assert (await stream.one(2)).reason == ACCEPTED


async def test_fill_moves_the_reservation_to_the_position(world: RiskWorld) -> None:
    """A partial fill counts once, as position and what is left; the end of the order frees the rest."""
    world.limit(max_position_size="10")
    async with world.stream() as stream:
        await stream.sync()
        await stream.one(1)
        await stream.settle(fill(1, 1, world.clock, last_quantity="4", leaves_quantity="6"))
        assert (await stream.one(2, quantity="1")).reason == EXCEEDED
        await stream.settle(ended(2, 1, world.clock))
        assert (await stream.one(3, quantity="6")).reason == ACCEPTED
        assert (await stream.one(4, quantity="1")).reason == EXCEEDED
    assert world.book.accounts["demo"].exposures["AAPL.XNAS"].position == 4


async def test_settlements_are_booked_once(world: RiskWorld) -> None:
    """The same part of the log sent again changes nothing."""
    async with world.stream() as stream:
        await stream.sync()
        for _ in range(3):
            await stream.settle(fill(1, 1, world.clock), fill(2, 2, world.clock))
        await stream.one(3)
    account = world.book.accounts["demo"]
    assert (account.exposures["AAPL.XNAS"].position, account.day_trades, account.day_volume) == (20, 2, 20)


async def test_checks_wait_for_the_sync_and_the_log(world: RiskWorld) -> None:
    """A batch is answered only after the sync, and once the log is booked as far as the sync reflects it."""
    world.limit(max_position_size="15")
    async with world.stream() as stream:
        number = await stream.submit(reservation(9))
        await stream.sync(reservation(8, side=trading_pb2.SIDE_SELL), sequence=5)
        await stream.settle(fill(4, 1, world.clock))
        # Each message is handled before the next: the answer would have come before the end of this release.
        await stream.release("nothing")
        assert number not in stream.decisions
        await stream.settle(sequence=5)
        await eventually(lambda: number in stream.decisions)
    assert stream.decisions[number][0].reason == EXCEEDED


async def test_sync_replaces_what_was_held(world: RiskWorld) -> None:
    """A sync, in parts, replaces all reservations of its shard and none of another."""
    world.limit(max_position_size="30")
    world.limit("other", max_position_size="10")
    async with world.stream(1) as other, world.stream() as first:
        await other.sync()
        await other.one("o", account_id="other")
        await first.sync()
        for number in range(3):
            await first.one(number)
        async with world.stream() as second:
            await second.sync(reservation(2), last=False)
            await second.sync(reservation(7, quantity="5"))
            assert (await second.one(8, quantity="15")).reason == ACCEPTED
            assert (await second.one(9, quantity="1")).reason == EXCEEDED
        assert (await other.one("p", account_id="other")).reason == EXCEEDED


async def test_new_stream_ends_the_one_before(world: RiskWorld) -> None:
    """A shard has one stream: a newer one ends the older."""
    async with world.stream() as first:
        await first.sync()
        async with world.stream() as second:
            await eventually(first._reader.done)
            await second.sync()
            assert (await second.one(1)).reason == ACCEPTED


async def test_opened_tells_the_cursor(world: RiskWorld) -> None:
    """A stream is told how far the log was consumed, also after a restart from what was saved."""
    async with world.stream() as stream:
        assert stream.opened == 0
        await stream.sync()
        await stream.settle(fill(3, 1, world.clock), sequence=9)
        await stream.one(1)
    async with world.stream() as stream:
        assert stream.opened == 9
    await world.keeper.save()
    async with risk_world(world.store, world.clock) as again, again.stream() as stream:
        assert stream.opened == 9
        assert again.book.accounts["demo"].exposures["AAPL.XNAS"].position == 10


async def test_another_log_begins_anew(world: RiskWorld) -> None:
    """A log of another epoch forgets the shard's positions, in the store too, and begins at 0."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.settle(fill(3, 1, world.clock))
        await stream.one(1)
    await world.keeper.save()
    async with world.stream(epoch="another") as stream:
        assert stream.opened == 0
    await world.keeper.save()
    assert not world.store.exposures
    assert not world.store.days
    assert world.store.cursors[0].epoch == "another"


async def test_unknown_account_and_instrument_are_refused(world: RiskWorld) -> None:
    """An account or instrument that does not exist is refused with its reason; the rest of the batch goes on."""
    async with world.stream() as stream:
        await stream.sync()
        nobody, nothing, fine = await stream.reserve(
            reservation(1, account_id="nobody"), reservation(2, instrument="NONE.XNAS"), reservation(3)
        )
    assert nobody.reason == error_pb2.ERROR_REASON_UNKNOWN_ACCOUNT
    assert not nobody.HasField("breach")
    assert nothing.reason == error_pb2.ERROR_REASON_UNKNOWN_INSTRUMENT
    assert fine.reason == ACCEPTED


async def test_no_answer_about_an_account_fails_closed(world: RiskWorld) -> None:
    """When nobody says whether an account exists the order is refused; an account known before goes on."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.one(1)
        world.accounts.reachable = world.markets.reachable = False
        known, unknown, unlisted = await stream.reserve(
            reservation(2), reservation(3, account_id="other"), reservation(4, instrument="NEW.XNAS")
        )
    assert known.reason == ACCEPTED
    assert unknown.reason == unlisted.reason == error_pb2.ERROR_REASON_RISK_UNAVAILABLE
    assert "other" not in world.book.accounts


async def test_account_opened_meanwhile_can_trade(world: RiskWorld) -> None:
    """An account that was unknown is asked for again."""
    async with world.stream() as stream:
        await stream.sync()
        assert (await stream.one(1, account_id="late")).reason == error_pb2.ERROR_REASON_UNKNOWN_ACCOUNT
        world.accounts.there.add("late")
        assert (await stream.one(1, account_id="late")).reason == ACCEPTED


async def test_instrument_made_meanwhile_can_be_traded(world: RiskWorld) -> None:
    """An instrument that is not known yet is asked for, for a check, a sync and a fill alike."""
    world.markets.hidden = {name: Market(name, "USD", Decimal(1)) for name in ("A.XNAS", "B.XNAS", "C.XNAS")}
    async with world.stream() as stream:
        await stream.settle(fill(1, 1, world.clock, instrument="A.XNAS"))
        await stream.sync(reservation(2, instrument="B.XNAS"), sequence=1)
        assert (await stream.one(3, instrument="C.XNAS")).reason == ACCEPTED
    assert set(world.book.accounts["demo"].exposures) == {"A.XNAS", "B.XNAS", "C.XNAS"}


async def test_market_order_needs_a_fresh_price(world: RiskWorld) -> None:
    """A market order is refused while no price is known, or prices are stale; a limit order is not."""
    async with world.stream() as stream:
        await stream.sync()
        market = {"type": trading_pb2.ORDER_TYPE_MARKET, "limit_price": ""}
        assert (await stream.one(1, **market)).reason == ACCEPTED
        world.markets.live = False
        stale = await stream.one(2, **market)
        assert (await stream.one(3)).reason == ACCEPTED
        world.markets.live = True
        world.aapl.quote("99", "", "")
        nothing_to_buy = await stream.one(4, **market)
        assert (await stream.one(5, side=trading_pb2.SIDE_SELL, **market)).reason == ACCEPTED
    assert stale.reason == nothing_to_buy.reason == error_pb2.ERROR_REASON_NO_REFERENCE_PRICE
    assert stale.breach.rule == risk_breach_pb2.RISK_RULE_REFERENCE_PRICE


async def test_day_ends_at_midnight_utc(world: RiskWorld) -> None:
    """The counters of a day begin anew at midnight UTC; a clock that steps back changes nothing."""
    world.limit(max_daily_trades=1)
    async with world.stream() as stream:
        await stream.sync()
        await stream.one(1)
        await stream.settle(fill(1, 1, world.clock))
        assert (await stream.one(2)).reason == EXCEEDED
        world.clock.advance(timedelta(days=1))
        assert (await stream.one(3)).reason == ACCEPTED
        await stream.settle(fill(2, 3, world.clock))
        world.clock.advance(timedelta(days=-1))
        assert (await stream.one(4)).reason == EXCEEDED


async def test_stream_must_begin_with_open(world: RiskWorld) -> None:
    """A stream whose first message is no opening is refused; so is a second opening."""
    stream = world.stream()
    await stream._send(sync=reservation_service_pb2.ReservationSync(last=True))
    with pytest.raises(CodedError, match="open"):
        await stream._call.read()
    async with world.stream() as twice:
        await twice._send(open=reservation_service_pb2.ReserveOpen(shard=0, epoch="x"))
        await eventually(lambda: twice.ended is not None)
    assert isinstance(twice.ended, CodedError)


async def test_drain_ends_the_stream(world: RiskWorld) -> None:
    """When the service drains, the stream ends without an error."""
    async with world.stream() as stream:
        world.draining.begin()
        await eventually(stream._reader.done)
    assert stream.ended is None
