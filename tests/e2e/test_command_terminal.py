"""Watching on a terminal: drawn in place, lines for scripts, and Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import grpc
import pytest

from deploy.embedded.mesh import Mesh
from ordermesh.marketdata.v1.book_access_pb2 import GetOrderBookRequest
from ordermesh.marketdata.v1.book_pb2 import BookLevel
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_NEW
from tests.fixtures.command import PATIENCE_SECONDS
from tests.fixtures.terminal import CURSOR_SHOWN, CURSOR_UP, on_terminal
from tests.fixtures.trader import BUY, SELL, new_instrument, trader
from tests.fixtures.users import operator
from tests.fixtures.waiting import answered, eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]


async def test_watching_updates_in_place_on_a_terminal(mesh: Mesh) -> None:
    """On a terminal the table is drawn over itself, and Ctrl-C ends it with success, the newest state left standing."""
    async with trader(mesh) as someone, trader(mesh) as other:
        instrument = await new_instrument(someone)
        async with on_terminal(someone.user, "positions", "--watch", "--account", someone.account_id) as watching:
            await watching.until("total in USD")
            resting = await someone.place(BUY, instrument, "1", "7")
            await someone.reports.until(resting.order_id, ORDER_STATUS_NEW)
            await other.place(SELL, instrument, "1", "7")
            await watching.until(instrument)
            assert CURSOR_UP in watching.shown
            watching.process.send_signal(signal.SIGINT)
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert await watching.process.wait() == 0
        last = watching.shown.rpartition(CURSOR_UP)[2]
        assert instrument in last
        assert CURSOR_SHOWN in last


async def test_json_is_a_line_for_each_change_on_a_terminal_too(mesh: Mesh) -> None:
    """What a script asks for does not depend on where it goes: nothing is drawn, and no line is folded."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        async with on_terminal(someone.user, "quotes", "--watch", "--json", instrument) as watching:
            resting = await someone.place(BUY, instrument, "3", "7")
            await someone.reports.until(resting.order_id, ORDER_STATUS_NEW)
            await watching.until('"bid_quantity": "3"')
            await watching.until("\n", after='"bid_quantity": "3"')
        quotes = [json.loads(line) for line in watching.shown.splitlines() if line.endswith("}")]
        assert any(quote["bid_quantity"] == "3" for quote in quotes)


async def test_a_terminal_without_a_cursor_to_move_gets_lines(mesh: Mesh) -> None:
    """As a file does."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        async with on_terminal(someone.user, "quotes", "--watch", instrument, TERM="dumb") as watching:
            resting = await someone.place(BUY, instrument, "3", "7")
            await someone.reports.until(resting.order_id, ORDER_STATUS_NEW)
            await watching.until(f"{instrument} bid 3 x 7 ask - x - last -")


async def test_an_interrupted_replay_leaves_no_orders_behind(mesh: Mesh, tmp_path: Path) -> None:
    """Ctrl-C ends it, at whatever moment, with success: its orders leave the book, and what came of it is shown."""
    file = tmp_path / "ENDLESS_2012-06-21_0_9_message_1.csv"
    # An order to rest, and one that is executed at once: each execution is settled before the next message.
    file.write_text(
        "".join(
            f"34200.{n:06},{kind},{n},{size},1000000,1\n" for n in range(1, 30_000) for kind, size in ((1, 2), (4, 1))
        )
    )
    addresses = {f"ORDERMESH_{name.upper()}_ADDRESS": mesh.address(name) for name in ("engine", "marketdata")}
    async with trader(mesh) as someone:

        async def bids() -> list[BookLevel]:
            request = GetOrderBookRequest(instrument="ENDLESS.REPLAY", depth=1)
            try:
                return list((await answered(lambda: someone.market_data.GetOrderBook(request))).book.bids)
            except grpc.aio.AioRpcError as error:
                if error.code() != grpc.StatusCode.FAILED_PRECONDITION:  # nothing is known of it yet
                    raise
                return []

        words = ("replay", "--mode", "market", "--speed", "0", str(file))
        async with on_terminal(await operator(mesh), *words, **addresses) as playing:
            await playing.until("trade in it")
            await eventually(bids, bool)
            playing.process.send_signal(signal.SIGINT)
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert await playing.process.wait() == 0
        assert "executions that hit the order named" in playing.shown
        await eventually(bids, lambda found: not found)
