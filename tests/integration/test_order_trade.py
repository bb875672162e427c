"""Trade over a real Postgres: commands and their results, order, push-back, resuming, ends."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from ordermesh.order.v1.execution_report_pb2 import EXECUTION_TYPE_REPLACED
from ordermesh.order.v1.order_pb2 import (
    ORDER_STATUS_CANCELED,
    ORDER_STATUS_FILLED,
    ORDER_STATUS_NEW,
    ORDER_STATUS_PENDING_CANCEL,
    ORDER_STATUS_PENDING_NEW,
    ORDER_STATUS_PENDING_REPLACE,
)
from ordermesh.order.v1.trade_stream_pb2 import Command, CommandBatch, CommandResult, TradeOpen, TradeRequest
from ordermesh.type.v1 import stream_pb2
from services.kernel.errors import CodedError, ErrorKind
from services.mesh.status import from_status
from tests.fakes.order_peers import Peers
from tests.fakes.order_venue import fill
from tests.fakes.order_world import Client, ready, request, serving
from tests.fakes.trade_client import TradeClient, canceling, canceling_all, placing, replacing
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.usefixtures("resting_peers")


def error_of(result: CommandResult) -> CodedError:
    """Returns what a command was refused with."""
    assert result.HasField("error"), result
    return from_status(result.error)


async def test_commands_are_answered_and_their_reports_come_on_the_same_stream(client: Client) -> None:
    """Subscribed and the live orders, then results and the very reports that StreamOrders tells."""
    live = await client.place()
    await client.until(live.order_id, ORDER_STATUS_NEW)
    async with TradeClient.open(client.orders) as trade:
        await trade.until(lambda: "snapshot_end" in trade.items())
        assert trade.items()[:4] == ["subscribed", "snapshot_begin", "snapshot", "snapshot_end"]
        assert [order.order_id for order in trade.responses[2].snapshot.orders] == [live.order_id]
        order = await trade.place(request())
        assert order.order_status == ORDER_STATUS_PENDING_NEW
        await client.until(order.order_id, ORDER_STATUS_NEW)
        (canceled,) = await trade.ask(canceling(order.order_id))
        assert canceled.order.order_status == ORDER_STATUS_PENDING_CANCEL
        await client.until(order.order_id, ORDER_STATUS_CANCELED)
        await trade.until(lambda: len(trade.reports) == 4)
        recorded = await client.history(order.order_id)
        for report in recorded:
            report.ClearField("actor")  # who asked is told by the history alone
        assert trade.reports == recorded
        await trade.close()


async def test_a_replace_is_a_command_like_others(client: Client) -> None:
    """It is answered with the order PENDING_REPLACE, its outcome is a report; orders of other accounts are unknown."""
    stranger = await client.place(account_id="other")
    async with TradeClient.open(client.orders) as trade:
        order = await trade.place(request())
        await client.until(order.order_id, ORDER_STATUS_NEW)
        replaced, unknown, nothing = await trade.ask(
            replacing(order.order_id, "r-1", limit_price="187.30"),
            replacing(stranger.order_id, "r-2", limit_price="187.30"),
            replacing(order.order_id, "r-3"),
        )
        assert replaced.order.order_status == ORDER_STATUS_PENDING_REPLACE
        assert error_of(unknown).reason == "UNKNOWN_ORDER"
        assert error_of(nothing).reason == "INVALID_FIELD"
        await trade.until(lambda: any(report.execution_type == EXECUTION_TYPE_REPLACED for report in trade.reports))
        assert trade.reports[-1].limit_price == "187.3"


async def test_commands_of_a_batch_stand_for_themselves(client: Client) -> None:
    """Each has its result, in the batch's order, and what one is refused for is no concern of the others."""
    stranger = await client.place(account_id="other")
    async with TradeClient.open(client.orders) as trade:
        results = await trade.ask(
            placing(request("good")),
            placing(request(limit_price="1.001")),
            placing(request(account_id="other")),
            canceling(str(uuid.uuid4())),
            canceling(stranger.order_id),
            canceling_all("other"),
            placing(request("good")),
            placing(request("good", quantity="7")),
        )
    good = results[0].order
    assert good.client_order_id == "good"
    assert results[6].order.order_id == good.order_id
    assert [error_of(result).reason for result in results[1:6]] == [
        "PRICE_OFF_TICK",
        "INVALID_FIELD",
        "UNKNOWN_ORDER",
        "UNKNOWN_ORDER",
        "INVALID_FIELD",
    ]
    assert error_of(results[7]).reason == "DUPLICATE_CLIENT_ORDER_ID"
    assert (await client.order(stranger.order_id)).order_status in (ORDER_STATUS_PENDING_NEW, ORDER_STATUS_NEW)


async def test_commands_are_carried_out_in_their_order(client: Client) -> None:
    """Batches that nobody waited for are committed in the order sent; a mass cancel finds what came before it alone."""
    async with TradeClient.open(client.orders) as trade:
        early = [await trade.send(placing(request()), placing(request())) for _ in range(20)]
        mass = await trade.send(placing(request("in-between")), canceling_all(), placing(request("after")))
        late = [await trade.send(placing(request())) for _ in range(20)]
        before = [result.order for number in early for result in await trade.answer(number)]
        between, canceled, after = await trade.answer(mass)
        behind = [after.order] + [(await trade.answer(number))[0].order for number in late]
        assert list(canceled.canceled.order_ids) == [order.order_id for order in (*before, between.order)]
        assert canceled.canceled.count == 41
        sequences = [order.sequence for order in (*before, between.order, *behind)]
        assert sequences == sorted(sequences)
        for order in behind:
            assert (await client.until(order.order_id, ORDER_STATUS_NEW)).order_status == ORDER_STATUS_NEW
        for order in before:
            await client.until(order.order_id, ORDER_STATUS_CANCELED)


async def test_an_instrument_met_for_the_first_time_lets_no_order_overtake(client: Client, peers: Peers) -> None:
    """The order that waits for it is committed before those behind."""
    catalogue = peers.market_data.instruments
    catalogue["NEW.XNAS"] = type(catalogue["AAPL.XNAS"])()
    catalogue["NEW.XNAS"].CopyFrom(catalogue["AAPL.XNAS"])
    catalogue["NEW.XNAS"].instrument = "NEW.XNAS"
    async with TradeClient.open(client.orders) as trade:
        numbers = [await trade.send(placing(request(instrument=name))) for name in ("NEW.XNAS", "AAPL.XNAS")]
        first, second = [(await trade.answer(number))[0].order for number in numbers]
    assert first.sequence < second.sequence


@pytest.mark.parametrize(("sequence", "expected"), [(1, "2"), (3, "2")])
async def test_a_batch_out_of_sequence_ends_the_stream(client: Client, sequence: int, expected: str) -> None:
    """COMMAND_OUT_OF_SEQUENCE tells what was expected; what came before is answered first, the batch is not done."""
    async with TradeClient.open(client.orders) as trade:
        await trade.send(placing(request("first")))
        await trade.send(placing(request("never")), sequence=sequence)
        await trade.end()
        assert trade.results[1][0].order.client_order_id == "first"
        assert trade.error is not None
        assert (trade.error.kind, trade.error.reason) == (ErrorKind.OUT_OF_RANGE, "COMMAND_OUT_OF_SEQUENCE")
        assert trade.error.metadata["expected"] == expected
    assert "never" not in {order.client_order_id for order in await client.all_orders()}


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([TradeRequest(commands=CommandBatch(sequence=1, commands=[canceling_all()]))], "open"),
        ([TradeRequest(open=TradeOpen(account_id="demo"))] * 2, "open"),
        ([TradeRequest()], "item"),
        ([TradeRequest(open=TradeOpen(account_id="no account"))], "open.account_id"),
        (
            [
                TradeRequest(open=TradeOpen(account_id="demo")),
                TradeRequest(commands=CommandBatch(sequence=1, commands=[placing(request(quantity="-1"))])),
            ],
            "commands.commands[0].place.quantity",
        ),
    ],
)
async def test_messages_that_break_the_contract_end_the_stream(client: Client, messages: Any, field: str) -> None:
    """INVALID_FIELD names the field, in whatever message of the stream it is."""
    trade = TradeClient(client.orders.Trade(), "demo")
    for message in messages:
        await trade.write(message)
    await trade.end()
    assert trade.error is not None
    assert trade.error.reason == "INVALID_FIELD"
    assert [violation.field for violation in trade.error.violations] == [field]


async def test_too_many_commands_are_not_read(postgres_url: str, redis_url: str, peers: Peers) -> None:
    """No more than the setting are under way at once, and all are answered in the end."""
    async with serving(postgres_url, redis_url, peers, most_commands_per_stream=40) as client:
        await ready(client, peers)
        async with TradeClient.open(client.orders) as trade:
            for _ in range(30):
                await trade.send(*(placing(request()) for _ in range(20)))
            results = [result for number in range(1, 31) for result in await trade.answer(number)]
    assert all(result.HasField("order") for result in results)
    assert len(results) == 600
    assert peers.risk.largest <= 40


async def test_what_is_refused_for_load_says_when_to_try_again(postgres_url: str, redis_url: str, peers: Peers) -> None:
    """OVERLOADED with RetryInfo for each command, and the stream goes on."""
    async with serving(postgres_url, redis_url, peers, most_waiting_orders=10) as client:
        await ready(client, peers)
        async with TradeClient.open(client.orders) as trade:
            for result in await trade.ask(*(placing(request()) for _ in range(11))):
                error = error_of(result)
                assert (error.kind, error.reason) == (ErrorKind.EXHAUSTED, "OVERLOADED")
                assert error.retry_after_seconds
            assert (await trade.place(request())).order_status == ORDER_STATUS_PENDING_NEW


async def test_a_reader_that_is_too_slow_is_ended_and_can_resume(
    postgres_url: str, redis_url: str, peers: Peers
) -> None:
    """going_away with SLOW_READER; the reports that it missed come on the next stream."""
    async with serving(postgres_url, redis_url, peers, most_waiting_per_stream=4) as client:
        await ready(client, peers)
        async with TradeClient.open(client.orders) as trade:
            await trade.until(lambda: "snapshot_end" in trade.items())
            placed = await client.place_many(40)
            await trade.end()
            assert trade.error is None
            assert trade.responses[-1].going_away.reason == stream_pb2.GOING_AWAY_REASON_SLOW_READER
        for order in placed:
            await client.until(order.order_id, ORDER_STATUS_NEW)
        async with TradeClient.open(client.orders, resume_token=trade.token) as resumed:
            await resumed.until(lambda: len(trade.reports) + len(resumed.reports) == 80)
            told = [report.sequence for report in trade.reports + resumed.reports]
            assert told == sorted(set(told))
            assert "snapshot_begin" not in resumed.items()


async def test_resuming_in_the_middle_of_a_rush_loses_and_repeats_nothing(client: Client, peers: Peers) -> None:
    """A client that is cut again and again, and sends again what was not answered, finds each order placed once."""
    peers.broker.venue.react = fill
    waiting = [[placing(request()) for _ in range(5)] for _ in range(40)]
    wanted = {command.place.client_order_id for batch in waiting for command in batch}
    told: list[int] = []
    token, cuts = "", 0
    while waiting or len(told) < 3 * len(wanted):
        trade = await _until_cut(client, token, waiting[:8])
        told += [report.sequence for report in trade.reports]
        token, cuts = trade.token, cuts + 1
        waiting = [batch for number, batch in enumerate(waiting, 1) if number not in trade.results]
    assert cuts >= 5
    assert told == sorted(set(told))
    assert len(told) == 3 * len(wanted)
    orders = [order for order in await client.all_orders() if order.account_id == "demo"]
    assert {order.client_order_id for order in orders} == wanted
    assert len(orders) == len(wanted)
    assert {order.order_status for order in orders} == {ORDER_STATUS_FILLED}


async def _until_cut(client: Client, token: str, batches: list[list[Command]]) -> TradeClient:
    """Sends batches on a stream that is cut after its first answer; with nothing to send, after its first report."""
    async with TradeClient.open(client.orders, resume_token=token) as trade:
        for batch in batches:
            await trade.send(*batch)
        await trade.until(lambda: trade.results if batches else trade.reports)
    assert trade.error is None
    return trade


async def test_tokens_of_both_streams_fit_each_other(client: Client) -> None:
    """A Trade stream goes on where StreamOrders stopped, and the other way round."""
    call = client.stream()
    token = ""
    while not token:
        token = (await call.read()).snapshot_end.resume_token
    call.cancel()
    missed = await client.place()
    async with TradeClient.open(client.orders, resume_token=token) as trade:
        await trade.until(lambda: missed.order_id in {report.order_id for report in trade.reports})
    later = await client.place()
    resumed = client.stream(resume_token=trade.token)
    found: set[str] = set()
    async with asyncio.timeout(20):
        while later.order_id not in found:
            found |= {report.order_id for report in (await resumed.read()).update.reports}
    resumed.cancel()


async def test_a_stream_is_told_that_the_server_drains(postgres_url: str, redis_url: str, peers: Peers) -> None:
    """What was taken in is answered, then going_away with DRAINING and a token, and the end without an error."""
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        async with TradeClient.open(client.orders) as trade:
            await trade.place(request())
            client.stop()
            await trade.end()
    assert trade.error is None
    away = trade.responses[-1].going_away
    assert away.reason == stream_pb2.GOING_AWAY_REASON_DRAINING
    assert away.resume_token


async def test_closing_a_stream_lets_what_was_sent_be_answered(client: Client) -> None:
    """Half-closed with batches under way: each is answered, then the stream ends without an error."""
    async with TradeClient.open(client.orders) as trade:
        for _ in range(10):
            await trade.send(placing(request()), placing(request()))
        await trade.close()
        assert trade.results.keys() == set(range(1, 11))
    await eventually(lambda: trade.ended)
