"""The engine's server over gRPC: order entry, resending, restarts, a damaged journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ordermesh.engine.v1 import (
    execution_pb2,
    instrument_pb2,
    instrument_service_pb2,
    instrument_service_pb2_grpc,
    order_entry_service_pb2,
    order_pb2,
)
from tests.fixtures.engine import BUY, SELL, Engine, Trader, cancel, define, kinds, new_order, order_id


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """A running engine with one instrument."""
    engine = await Engine(tmp_path).start()
    async with engine.channel() as channel:
        await define(channel, 1)
    yield engine
    await engine.stop()


@pytest_asyncio.fixture
async def channel(engine: Engine) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the engine."""
    async with engine.channel() as channel:
        yield channel


async def test_both_sides_hear_of_a_trade(channel: grpc.aio.Channel) -> None:
    """A trade is told to maker and taker, with one trade id and gapless sequences."""
    maker = await Trader(channel, "maker").open()
    taker = await Trader(channel, "taker").open()
    await maker.send(new_order(1, BUY, 10, 100))
    assert kinds(await maker.executions(1)) == ["NEW"]
    await taker.send(new_order(1, SELL, 4, 99))
    accepted, taken = await taker.executions(2)
    (made,) = await maker.executions(1)
    assert kinds([accepted, taken, made]) == ["NEW", "TRADE", "TRADE"]
    assert taken.trade_id == made.trade_id > 0
    assert (made.last_price_ticks, made.last_quantity_lots, made.leaves_quantity_lots) == (100, 4, 6)
    assert (made.execution_sequence, taken.execution_sequence) == (2, 2)
    assert made.order_id == order_id(1)
    assert (made.liquidity, taken.liquidity) == (execution_pb2.LIQUIDITY_MAKER, execution_pb2.LIQUIDITY_TAKER)


async def test_commands_sent_again_are_ignored_and_counted(channel: grpc.aio.Channel) -> None:
    """A batch sent twice takes effect once, and the engine says how many commands it ignored."""
    trader = await Trader(channel, "one").open()
    batch = [new_order(number, BUY, 1, 100) for number in range(1, 6)]
    await trader.send(*batch)
    assert kinds(await trader.executions(5)) == ["NEW"] * 5
    await trader.send(*batch, new_order(6, BUY, 1, 100))
    assert kinds(await trader.executions(1)) == ["NEW"]
    progress = await trader.progressed()
    assert (progress.ignored_commands, progress.last_command_sequence) == (5, 6)


async def test_batches_take_effect_in_the_order_in_which_they_were_sent(channel: grpc.aio.Channel) -> None:
    """Many small batches, while executions are written back from other threads: not one overtakes the one before.

    One that did would make the engine ignore the commands that it overtook, as ones that it has taken.
    """
    count = 5_000
    trader = await Trader(channel, "one").open()
    told = ignored = 0

    async def follow() -> None:
        nonlocal told, ignored
        while told + ignored < count:
            message = await trader.read()
            told += len(message.batch.executions)
            ignored = max(ignored, message.progress.ignored_commands)

    following = asyncio.create_task(follow())
    for sequence in range(1, count + 1):
        await trader.send(new_order(sequence, BUY if sequence % 2 else SELL, 1, 100 if sequence % 2 else 200))
    await following
    assert (told, ignored) == (count, 0)


async def test_every_command_is_answered(channel: grpc.aio.Channel) -> None:
    """Reduce, replace, cancel, mass cancel and a refusal each yield their execution."""
    trader = await Trader(channel, "one").open()
    await trader.send(
        new_order(1, BUY, 10, 100),
        order_pb2.Command(
            command_sequence=2, reduce_order=order_pb2.ReduceOrder(order_id=order_id(1), reduce_by_lots=3)
        ),
        order_pb2.Command(
            command_sequence=3,
            replace_order=order_pb2.ReplaceOrder(order_id=order_id(1), price_ticks=101, quantity_lots=9),
        ),
        cancel(4, 1),
        cancel(5, 1),
        new_order(6, BUY, 10, 100),
        order_pb2.Command(command_sequence=7, mass_cancel=order_pb2.MassCancel()),
        new_order(8, BUY, 0, 100),
    )
    executions = await trader.executions(9)
    assert kinds(executions) == [
        "NEW", "REDUCED", "REPLACED", "CANCELED", "CANCEL_REJECTED", "NEW", "CANCELED", "MASS_CANCELED", "REJECTED",
    ]  # fmt: skip
    assert executions[2].quantity_lots == 9
    assert executions[4].reason == execution_pb2.EXECUTION_REASON_UNKNOWN_ORDER
    assert executions[7].affected_orders == 1
    assert executions[8].reason == execution_pb2.EXECUTION_REASON_INVALID_QUANTITY


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (order_entry_service_pb2.TradeRequest(), "content"),
        (
            order_entry_service_pb2.TradeRequest(batch=order_entry_service_pb2.CommandBatch()),
            "batch.commands",
        ),
        (
            order_entry_service_pb2.TradeRequest(
                batch=order_entry_service_pb2.CommandBatch(
                    commands=[new_order(1, BUY, 1, 100), order_pb2.Command(command_sequence=2)]
                )
            ),
            "batch.commands[1].action",
        ),
        (
            order_entry_service_pb2.TradeRequest(
                batch=order_entry_service_pb2.CommandBatch(commands=[new_order(0, BUY, 1, 100)])
            ),
            "batch.commands[0].command_sequence",
        ),
        (
            order_entry_service_pb2.TradeRequest(
                batch=order_entry_service_pb2.CommandBatch(commands=[new_order(1, BUY, 1, 100)] * 8193)
            ),
            "batch.commands",
        ),
        (
            order_entry_service_pb2.TradeRequest(open=order_entry_service_pb2.Open(participant="one")),
            "open",
        ),
    ],
)
async def test_a_malformed_request_ends_the_stream_and_changes_nothing(
    channel: grpc.aio.Channel, request_: order_entry_service_pb2.TradeRequest, field: str
) -> None:
    """A malformed request fails with INVALID_ARGUMENT naming the field; nothing of its batch is taken."""
    trader = await Trader(channel, "one").open()
    await trader.stream.write(request_)
    code, details = await trader.error()
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert f": {field}" in details
    assert (await Trader(channel, "one").open()).opened.last_command_sequence == 0


async def test_a_second_stream_supersedes_the_first(channel: grpc.aio.Channel) -> None:
    """Opening again ends the older stream with ABORTED, and executions go to the newer one."""
    first = await Trader(channel, "one").open()
    second = await Trader(channel, "one").open()
    code, details = await first.error()
    assert (code, details.split(":")[0]) == (grpc.StatusCode.ABORTED, "SUPERSEDED")
    await second.send(new_order(1, BUY, 1, 100))
    assert kinds(await second.executions(1)) == ["NEW"]


async def test_a_reopened_stream_gets_what_it_missed(channel: grpc.aio.Channel) -> None:
    """Executions after the sequence asked for are sent first, then live ones, with no gap."""
    trader = await Trader(channel, "one").open()
    await trader.send(*(new_order(number, BUY, 1, 100) for number in range(1, 4)))
    await trader.executions(3)
    again = await Trader(channel, "one").open(after=1, expected_epoch=trader.opened.epoch)
    assert again.opened.last_command_sequence == 3
    await again.send(new_order(4, BUY, 1, 100))
    assert [each.execution_sequence for each in await again.executions(3)] == [2, 3, 4]


async def test_opening_from_where_the_engine_never_was_is_refused(channel: grpc.aio.Channel) -> None:
    """A sequence ahead of the engine's, or another epoch, fails with FAILED_PRECONDITION."""
    for fields, reason in (({"after": 1}, "EXECUTION_SEQUENCE_AHEAD"), ({"expected_epoch": "x"}, "EPOCH_MISMATCH")):
        trader = Trader(channel, "one")
        opening = {"after_execution_sequence": 1} if "after" in fields else fields
        await trader.stream.write(
            order_entry_service_pb2.TradeRequest(open=order_entry_service_pb2.Open(participant="one", **opening))
        )
        code, details = await trader.error()
        assert (code, details.split(":")[0]) == (grpc.StatusCode.FAILED_PRECONDITION, reason)


async def test_a_half_closed_stream_ends_when_all_is_told(channel: grpc.aio.Channel) -> None:
    """After the client's last request its commands are done and told, and the stream ends with OK."""
    trader = await Trader(channel, "one").open()
    await trader.send(*(new_order(number, BUY, 1, 100) for number in range(1, 101)))
    await trader.stream.done_writing()
    assert len(await trader.executions(100)) == 100
    assert (await trader.error())[0] == grpc.StatusCode.OK


async def test_many_batches_in_flight_are_all_answered(channel: grpc.aio.Channel) -> None:
    """Batches sent without waiting, read late, are each answered in order: a slow reader is held back, not ended."""
    trader = await Trader(channel, "one").open()
    total, size = 200_000, 250

    async def send_all() -> None:
        for first in range(1, total + 1, size):
            await trader.send(*(cancel(number, number) for number in range(first, first + size)))

    sending = asyncio.ensure_future(send_all())
    sequence = 0
    while sequence < total:
        for execution in (await trader.read()).batch.executions:
            sequence += 1
            assert (execution.execution_sequence, execution.command_sequence) == (sequence, sequence)
            assert execution.order_id == order_id(sequence)
    await sending


async def test_queries_show_open_orders_and_executions(channel: grpc.aio.Channel) -> None:
    """A participant's open orders and executions can be asked for without a stream."""
    trader = await Trader(channel, "one").open()
    await trader.send(new_order(1, BUY, 5, 100), new_order(2, SELL, 2, 100), new_order(3, BUY, 7, 99))
    await trader.executions(5)
    request = order_entry_service_pb2.QueryOpenOrdersRequest(participant="one")
    batches = [batch async for batch in trader.stub.QueryOpenOrders(request)]
    orders = [order for batch in batches for order in batch.orders]
    assert [(order.order_id, order.leaves_quantity_lots) for order in orders] == [(order_id(1), 3), (order_id(3), 7)]
    assert batches[0].last_execution_sequence == 5

    page = await trader.stub.QueryExecutions(
        order_entry_service_pb2.QueryExecutionsRequest(participant="one", after_execution_sequence=1, limit=2)
    )
    assert [each.execution_sequence for each in page.executions] == [2, 3]
    assert page.last_execution_sequence == 5
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await trader.stub.QueryExecutions(order_entry_service_pb2.QueryExecutionsRequest(participant="nobody"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_executions_beyond_what_is_kept_are_out_of_range(tmp_path: Path) -> None:
    """Executions that went out of the ring are a typed error, on the stream and in the query."""
    engine = await Engine(tmp_path, "--executions-kept=10").start()
    async with engine.channel() as channel:
        await define(channel, 1)
        trader = await Trader(channel, "one").open()
        for number in range(1, 21):
            await trader.send(new_order(number, BUY, 1, 100))
            await trader.executions(1)
        again = Trader(channel, "one")
        await again.stream.write(
            order_entry_service_pb2.TradeRequest(
                open=order_entry_service_pb2.Open(participant="one", after_execution_sequence=9)
            )
        )
        assert (await again.error())[0] == grpc.StatusCode.OUT_OF_RANGE
        assert (await Trader(channel, "one").open(after=10)).opened.first_execution_sequence == 11
    assert await engine.stop() == 0


async def test_progress_is_told_while_nothing_happens(channel: grpc.aio.Channel) -> None:
    """A quiet stream gets heartbeats at the interval it asked for."""
    trader = await Trader(channel, "one").open(heartbeat_interval_milliseconds=20)
    await trader.send(new_order(3, BUY, 1, 100))
    await trader.executions(1)
    progress = await trader.progressed()
    assert (progress.last_command_sequence, progress.last_execution_sequence) == (3, 1)


async def test_the_operator_halts_resumes_and_ends_the_day(channel: grpc.aio.Channel) -> None:
    """A halted instrument refuses orders until it resumes; DAY orders expire at the end of the day."""
    operator = instrument_service_pb2_grpc.InstrumentServiceStub(channel)
    trader = await Trader(channel, "one").open()
    halted = await operator.HaltInstrument(instrument_service_pb2.HaltInstrumentRequest(instrument_id=1))
    assert halted.changed_instruments == 1
    await trader.send(new_order(1, BUY, 1, 100))
    (refused,) = await trader.executions(1)
    assert refused.reason == execution_pb2.EXECUTION_REASON_HALTED
    await operator.ResumeInstrument(instrument_service_pb2.ResumeInstrumentRequest())
    await trader.send(new_order(2, BUY, 1, 100, time_in_force=order_pb2.TIME_IN_FORCE_DAY))
    await trader.executions(1)
    ended = await operator.ExpireDayOrders(instrument_service_pb2.ExpireDayOrdersRequest(instrument_id=1))
    assert ended.expired_orders == 1
    assert kinds(await trader.executions(1)) == ["EXPIRED"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await operator.HaltInstrument(instrument_service_pb2.HaltInstrumentRequest(instrument_id=9))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_an_instrument_is_defined_once(channel: grpc.aio.Channel) -> None:
    """Defining again changes nothing; a number or symbol of another instrument is ALREADY_EXISTS."""
    operator = instrument_service_pb2_grpc.InstrumentServiceStub(channel)

    async def attempt(number: int, symbol: str, **limits: int) -> grpc.StatusCode | bool:
        instrument = instrument_pb2.Instrument(instrument_id=number, symbol=symbol, **limits)
        try:
            request = instrument_service_pb2.DefineInstrumentRequest(instrument=instrument)
            return (await operator.DefineInstrument(request)).changed
        except grpc.aio.AioRpcError as error:
            return error.code()

    assert await attempt(1, "TEST1") is False
    assert await attempt(1, "TEST1", lowest_price_ticks=-5, highest_price_ticks=5) is True
    assert await attempt(1, "OTHER") == grpc.StatusCode.ALREADY_EXISTS
    assert await attempt(2, "TEST1") == grpc.StatusCode.ALREADY_EXISTS
    assert await attempt(0, "ZERO") == grpc.StatusCode.INVALID_ARGUMENT
    assert await attempt(3, "") == grpc.StatusCode.INVALID_ARGUMENT
    assert await attempt(3, "THREE", lowest_price_ticks=5, highest_price_ticks=4) == grpc.StatusCode.INVALID_ARGUMENT
    listed = await operator.ListInstruments(instrument_service_pb2.ListInstrumentsRequest())
    assert [each.instrument.highest_price_ticks for each in listed.instruments] == [5]


async def test_health_is_served(channel: grpc.aio.Channel) -> None:
    """The standard health service says SERVING."""
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_stop_finishes_what_was_taken(engine: Engine, channel: grpc.aio.Channel) -> None:
    """On SIGTERM everything told stands after a restart, streams end with UNAVAILABLE, the exit code is 0."""
    trader = await Trader(channel, "one").open()
    await trader.send(*(new_order(number, BUY, 1, 100) for number in range(1, 1001)))
    await trader.executions(1000)
    assert await engine.stop() == 0
    assert (await trader.error())[0] == grpc.StatusCode.UNAVAILABLE
    await engine.start()
    async with engine.channel() as again:
        assert (await Trader(again, "one").open()).opened.last_execution_sequence == 1000


async def test_a_second_engine_over_the_same_journal_does_not_start(engine: Engine, tmp_path: Path) -> None:
    """A journal belongs to one process."""
    other = Engine(tmp_path)
    other.log = tmp_path / "other.log"
    other._port_file = tmp_path / "other-port"
    process = await other.launch()
    async with asyncio.timeout(10):
        assert await process.wait() == 1
    assert "another engine holds the journal directory" in other.events()[-1]["error"]
