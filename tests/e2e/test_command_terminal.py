"""Watching on a terminal: drawn in place, lines for scripts, and Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_NEW
from tests.fixtures.command import PATIENCE_SECONDS
from tests.fixtures.terminal import CURSOR_SHOWN, CURSOR_UP, on_terminal
from tests.fixtures.trader import BUY, SELL, new_instrument, trader

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]


async def test_watching_updates_in_place_on_a_terminal(mesh: Mesh) -> None:
    """On a terminal the table is drawn over itself, and Ctrl-C ends it with success, the newest state left standing."""
    async with trader(mesh.address("gateway")) as someone, trader(mesh.address("gateway")) as other:
        instrument = await new_instrument(someone)
        async with on_terminal(mesh, "positions", "--watch", "--account", someone.account_id) as watching:
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
    async with trader(mesh.address("gateway")) as someone:
        instrument = await new_instrument(someone)
        async with on_terminal(mesh, "quotes", "--watch", "--json", instrument) as watching:
            resting = await someone.place(BUY, instrument, "3", "7")
            await someone.reports.until(resting.order_id, ORDER_STATUS_NEW)
            await watching.until('"bid_quantity": "3"')
            await watching.until("\n", after='"bid_quantity": "3"')
        quotes = [json.loads(line) for line in watching.shown.splitlines() if line.endswith("}")]
        assert any(quote["bid_quantity"] == "3" for quote in quotes)


async def test_a_terminal_without_a_cursor_to_move_gets_lines(mesh: Mesh) -> None:
    """As a file does."""
    async with trader(mesh.address("gateway")) as someone:
        instrument = await new_instrument(someone)
        async with on_terminal(mesh, "quotes", "--watch", instrument, TERM="dumb") as watching:
            resting = await someone.place(BUY, instrument, "3", "7")
            await someone.reports.until(resting.order_id, ORDER_STATUS_NEW)
            await watching.until(f"{instrument} bid 3 x 7 ask - x - last -")
