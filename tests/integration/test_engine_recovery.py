"""The engine after a crash: nothing told is lost, a torn record is cut off, damage is not passed over."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import grpc.aio
import pytest

from ordermesh.engine.v1 import execution_pb2, order_entry_service_pb2, order_pb2
from tests.fixtures.engine import BUY, SELL, Engine, Trader, cancel, define, new_order

Command = order_pb2.Command


def commands(seed: int, count: int) -> list[Command]:
    """Returns orders that trade with one another, and cancels of some."""
    draw = random.Random(seed)
    made: list[Command] = []
    for sequence in range(1, count + 1):
        if sequence > 1 and draw.random() < 0.3:
            made.append(cancel(sequence, draw.randrange(1, sequence)))
        else:
            made.append(new_order(sequence, draw.choice([BUY, SELL]), draw.randrange(1, 20), draw.randrange(95, 106)))
    return made


async def all_executions(channel: grpc.aio.Channel, participant: str) -> list[execution_pb2.Execution]:
    """Asks for every execution of a participant."""
    trader = Trader(channel, participant)
    executions: list[execution_pb2.Execution] = []
    while True:
        page = await trader.stub.QueryExecutions(
            order_entry_service_pb2.QueryExecutionsRequest(
                participant=participant, after_execution_sequence=len(executions), limit=10_000
            )
        )
        executions.extend(page.executions)
        if len(executions) == page.last_execution_sequence:
            return executions


async def open_orders(channel: grpc.aio.Channel, participant: str) -> list[order_pb2.OpenOrder]:
    """Asks for the open orders of a participant."""
    request = order_entry_service_pb2.QueryOpenOrdersRequest(participant=participant)
    return [
        order async for batch in Trader(channel, participant).stub.QueryOpenOrders(request) for order in batch.orders
    ]


async def trade(
    engine: Engine, batches: list[list[Command]]
) -> tuple[list[execution_pb2.Execution], list[order_pb2.OpenOrder]]:
    """Sends batches, each answered before the next, and returns all that was told and is open."""
    async with engine.channel() as channel:
        await define(channel, 1)
        trader = await Trader(channel, "one").open()
        told: list[execution_pb2.Execution] = []
        for batch in batches:
            await trader.send(*batch)
            while not told or told[-1].command_sequence < batch[-1].command_sequence:
                told.extend((await trader.read()).batch.executions)
        executions = await all_executions(channel, "one")
        assert executions[: len(told)] == told
        return executions, await open_orders(channel, "one")


async def test_a_killed_engine_comes_back_as_it_was(tmp_path: Path) -> None:
    """After kill -9 executions and open orders are the same, and a resend of everything changes nothing."""
    engine = await Engine(tmp_path).start()
    sent = commands(seed=1, count=600)
    executions, resting = await trade(engine, [sent[start : start + 50] for start in range(0, 600, 50)])
    await engine.kill()
    await engine.start()
    async with engine.channel() as channel:
        assert await all_executions(channel, "one") == executions
        assert await open_orders(channel, "one") == resting
        trader = await Trader(channel, "one").open(after=len(executions))
        assert trader.opened.last_command_sequence == 600
        await trader.send(*sent)
        assert (await trader.progressed()).ignored_commands == 600
        assert await all_executions(channel, "one") == executions
    assert await engine.stop() == 0


async def test_a_kill_under_load_loses_nothing_that_was_told(tmp_path: Path) -> None:
    """Killed while batches are on the way: what was told is there again, and sending the rest completes the run."""
    engine = await Engine(tmp_path).start()
    sent = commands(seed=2, count=4000)
    told: list[execution_pb2.Execution] = []
    async with engine.channel() as channel:
        await define(channel, 1)
        trader = await Trader(channel, "one").open()
        for start in range(0, 4000, 20):
            await trader.send(*sent[start : start + 20])
        while len(told) < 500:
            told.extend((await trader.read()).batch.executions)
        await engine.kill()
    await engine.start()
    async with engine.channel() as channel:
        trader = await Trader(channel, "one").open(after=len(told))
        if rest := [each for each in sent if each.command_sequence > trader.opened.last_command_sequence]:
            await trader.send(*rest)
        while told[-1].command_sequence < 4000:
            told.extend((await trader.read()).batch.executions)
        interrupted = await all_executions(channel, "one")
        assert interrupted[: len(told)] == told
    assert await engine.stop() == 0

    whole = await Engine(_folder(tmp_path, "whole")).start()
    expected, _ = await trade(whole, [sent])
    assert await whole.stop() == 0
    assert [_without_time(each) for each in interrupted] == [_without_time(each) for each in expected]


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def _without_time(execution: execution_pb2.Execution) -> bytes:
    copy = execution_pb2.Execution()
    copy.CopyFrom(execution)
    copy.time_ns = 0
    return copy.SerializeToString(deterministic=True)


async def test_a_torn_last_record_is_cut_off_with_a_warning(tmp_path: Path) -> None:
    """The record that was being written when the power went is dropped; all before it stands."""
    engine = await Engine(tmp_path).start()
    executions, _ = await trade(engine, [[new_order(1, BUY, 1, 100)], [new_order(2, BUY, 1, 100)]])
    await engine.stop()
    (segment,) = engine.journal.glob("segment-*.journal")
    segment.write_bytes(segment.read_bytes()[:-3])
    await engine.start()
    async with engine.channel() as channel:
        assert await all_executions(channel, "one") == executions[:1]
    (warning,) = [event for event in engine.events() if event["level"] == "warning"]
    assert warning["event"] == "journal_torn_record_cut_off"
    assert warning["details"].startswith(f"{segment}: offset ")
    assert await engine.stop() == 0


async def test_a_corrupt_record_stops_the_start(tmp_path: Path) -> None:
    """Damage in the middle is not passed over: the engine ends with an error that names file and offset."""
    engine = await Engine(tmp_path).start()
    await trade(engine, [[new_order(number, BUY, 1, 100)] for number in range(1, 20)])
    await engine.stop()
    (segment,) = engine.journal.glob("segment-*.journal")
    damaged = bytearray(segment.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    segment.write_bytes(damaged)
    process = await engine.launch()
    async with asyncio.timeout(10):
        assert await process.wait() == 1
    assert engine.events()[-1]["event"] == "cannot_start"
    assert engine.events()[-1]["error"].startswith(f"{segment}: offset ")


@pytest.mark.parametrize("ending", ["stop", "kill"])
async def test_a_market_that_ran_through_many_segments_restarts_from_a_snapshot(tmp_path: Path, ending: str) -> None:
    """Closed segments become a snapshot; a restart gives the same executions and open orders."""
    engine = await Engine(tmp_path, "--segment-bytes=4096").start()
    sent = commands(seed=3, count=1500)
    executions, resting = await trade(engine, [sent[start : start + 10] for start in range(0, 1500, 10)])
    await engine.logged("journal_snapshot_written")
    await (engine.stop() if ending == "stop" else engine.kill())
    await engine.start()
    async with engine.channel() as channel:
        assert await all_executions(channel, "one") == executions
        assert await open_orders(channel, "one") == resting
    assert await engine.stop() == 0
