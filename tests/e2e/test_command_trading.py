"""The command `ordermesh`, as a person and as a script use it, against the whole mesh."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from deploy.embedded.mesh import Mesh
from deploy.embedded.ports import unused_port
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_NEW
from tests.fixtures.command import PATIENCE_SECONDS, environment, ordermesh
from tests.fixtures.trader import BUY, SELL, new_instrument, trader
from tests.fixtures.users import EVERY_ROLE, User, made, operator
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]


async def test_an_order_is_placed_filled_and_in_the_position(mesh: Mesh) -> None:
    """Somebody offers; the command buys at the market, tells the fill, and shows order, trade and position."""
    async with trader(mesh) as seller, trader(mesh) as buyer:
        instrument = await new_instrument(seller)
        ask = await seller.place(SELL, instrument, "10", "20")
        await seller.reports.until(ask.order_id, ORDER_STATUS_NEW)
        mine = ("--account", buyer.account_id)
        bought = await ordermesh(
            buyer.user, "order", "buy", instrument.lower(), "4", "--limit", "20", "--tif", "ioc", *mine
        )
        assert (bought.code, bought.err) == (0, "")
        assert bought.out.startswith(f"filled: 4 at 20 on average: buy 4 {instrument} at 20 or better")
        listed = await ordermesh(buyer.user, "orders", "--all", "--json", *mine)
        assert [order["order_status"] for order in listed.json["orders"]] == ["ORDER_STATUS_FILLED"]
        trades = await ordermesh(buyer.user, "trades", *mine)
        assert instrument in trades.out
        await buyer.position(instrument, trades=1)
        positions = await ordermesh(buyer.user, "positions", *mine)
        assert instrument in positions.out
        assert "total in USD" in positions.out
        held = await ordermesh(buyer.user, "positions", "--json", *mine)
        assert held.json["positions"][0]["average_cost"] == "20"


async def test_a_resting_order_is_listed_and_canceled(mesh: Mesh) -> None:
    """The answer waits for the venue; cancel takes one order, or all."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        mine = ("--account", someone.account_id)
        placed = await ordermesh(
            someone.user, "order", "buy", instrument, "1", "--limit", "5", "--tif", "gtc", "--json", *mine
        )
        assert (placed.code, placed.json["order_status"]) == (0, "ORDER_STATUS_NEW")
        live = await ordermesh(someone.user, "orders", *mine)
        assert placed.json["order_id"] in live.out
        canceled = await ordermesh(someone.user, "cancel", placed.json["order_id"])
        assert canceled.code == 0
        await ordermesh(someone.user, "order", "buy", instrument, "1", "--limit", "5", *mine)
        everything = await ordermesh(someone.user, "cancel", "--all", *mine)
        assert everything.out == "cancel of 1 order asked for\n"
        await eventually(lambda: ordermesh(someone.user, "orders", *mine), lambda outcome: not outcome.out)
        again = await ordermesh(someone.user, "cancel", placed.json["order_id"])
        assert again.code == 1
        assert again.err.startswith("ordermesh: ORDER_NOT_LIVE: ")


async def test_an_order_is_replaced(mesh: Mesh) -> None:
    """The answer waits for the venue; the same words again replace nothing; an older version is refused."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        order = await someone.place(BUY, instrument, "3", "5")
        await someone.reports.until(order.order_id, ORDER_STATUS_NEW)
        words = ("replace", order.order_id, "--price", "6", "--quantity", "2", "--replace-id", "mine")
        first, second = [await ordermesh(someone.user, *words) for _ in range(2)]
        assert (first.code, first.err) == (0, "")
        assert first.out.startswith(f"new: buy 2 {instrument} at 6 or better")
        assert second.out == first.out
        stale = await ordermesh(someone.user, "replace", order.order_id, "--price", "7", "--version", "1")
        assert (stale.code, stale.err.partition(": ")[2].partition(":")[0]) == (1, "VERSION_MISMATCH")
        await someone.cancel(order.order_id)


async def test_the_same_client_order_id_never_orders_twice(mesh: Mesh) -> None:
    """The same words again answer the same order; other words under the id are refused."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        words = ("order", "buy", instrument, "1", "--limit", "5", "--client-order-id", "mine", "--json")
        mine = ("--account", someone.account_id)
        first, second = [await ordermesh(someone.user, *words, *mine) for _ in range(2)]
        assert first.json["order_id"] == second.json["order_id"]
        other = await ordermesh(someone.user, *words[:3], "2", *words[4:], *mine)
        assert (other.code, other.err.partition(": ")[2].partition(":")[0]) == (1, "DUPLICATE_CLIENT_ORDER_ID")


async def test_what_does_not_trade_at_all_is_a_refusal(mesh: Mesh) -> None:
    """An order that only trades at once, with nobody there, ends with exit code 1 and says why."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        outcome = await ordermesh(
            someone.user,
            "order",
            "buy",
            instrument,
            "1",
            "--limit",
            "5",
            "--tif",
            "ioc",
            "--account",
            someone.account_id,
        )
        assert outcome.code == 1
        assert outcome.out.startswith("canceled (NO_LIQUIDITY")


@pytest.mark.parametrize(
    ("words", "code", "begins"),
    [
        (("order", "buy", "NONE.XNAS", "1"), 1, "ordermesh: UNKNOWN_INSTRUMENT: "),
        (("order", "buy", "AAPL.XNAS", "0.5", "--limit", "1"), 1, "ordermesh: QUANTITY_OFF_LOT: quantity: "),
        (("order", "buy", "AAPL.XNAS", "1", "--limit", "1.001"), 1, "ordermesh: PRICE_OFF_TICK: limit_price: "),
        (("order", "buy", "AAPL.XNAS", "abc"), 1, "ordermesh: INVALID_FIELD: quantity: "),
        (("order", "buy", "AAPL.XNAS", "1", "--tif", "gtc"), 1, "ordermesh: TIME_IN_FORCE_MISMATCH: "),
        (("order", "hold", "AAPL.XNAS", "1"), 2, "Usage: "),
        (("order", "buy", "AAPL.XNAS"), 2, "Usage: "),
        (("cancel",), 2, "Usage: "),
        (("replace", "7"), 2, "Usage: "),
        (("replace", "7", "--price", "1"), 1, "ordermesh: INVALID_FIELD: order_id: "),
        (("cancel", "7"), 1, "ordermesh: INVALID_FIELD: order_id: "),
        (("positions", "--account", "nobody"), 1, "ordermesh: PERMISSION_DENIED: "),
        (("quotes", "NONE.XNAS"), 1, "ordermesh: UNKNOWN_INSTRUMENT: "),
        (("book", "NONE.XNAS"), 1, "ordermesh: UNKNOWN_INSTRUMENT: "),
        (("book", "NONE.XNAS", "--watch"), 1, "ordermesh: UNKNOWN_INSTRUMENT: "),
    ],
)
async def test_a_refusal_is_one_line_with_its_reason(
    mesh: Mesh, words: tuple[str, ...], code: int, begins: str
) -> None:
    """On standard error, with an exit code that tells refused (1) from wrong usage (2)."""
    who = await made(mesh, *EVERY_ROLE, accounts=("demo",))
    outcome = await ordermesh(who, *words)
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.lstrip().startswith(begins)
    if code == 1:
        assert outcome.err.count("\n") == 1


async def test_a_mesh_that_is_not_there_has_its_own_exit_code(mesh: Mesh) -> None:
    """Exit code 3, and how to start one."""
    outcome = await ordermesh(mesh, "orders", "--address", f"127.0.0.1:{unused_port()}")
    assert outcome.code == 3
    assert "make run" in outcome.err
    assert outcome.err.count("\n") == 1


async def test_services_can_be_called_without_the_gateway(mesh: Mesh) -> None:
    """With the services' own addresses in the environment, and none of a gateway."""
    direct = {f"ORDERMESH_{name.upper()}_ADDRESS": mesh.address(name) for name in ("order", "portfolio")}
    outcome = await ordermesh(await operator(mesh), "accounts", ORDERMESH_GATEWAY_ADDRESS="", **direct)
    assert outcome.code == 0
    assert outcome.out.split()[:3] == ["account", "name", "environment"]
    assert "demo" in outcome.out


async def test_status_fails_when_a_component_is_down(mesh: Mesh) -> None:
    """The tests' mesh has no simulated market: everything that is asked for serves, or is named as down."""
    outcome = await ordermesh(mesh, "status", "--json")
    states = {each["name"]: each["state"] for each in outcome.json["components"]}
    assert states["portfolio"] == "COMPONENT_STATE_SERVING"
    assert outcome.json["healthy"] is all(state == "COMPONENT_STATE_SERVING" for state in states.values())
    assert outcome.code == (0 if outcome.json["healthy"] else 1)


async def test_watching_prints_lines_where_there_is_no_terminal(mesh: Mesh) -> None:
    """A line for each change of the quote, readable by a script; as JSON on request."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        plain = await _watching(someone.user, "quotes", "--watch", instrument)
        as_json = await _watching(someone.user, "book", "--watch", "--json", instrument)
        resting = await someone.place(BUY, instrument, "3", "7")
        await someone.reports.until(resting.order_id, ORDER_STATUS_NEW)
        assert await _line(plain, "bid 3 x 7") == f"{instrument} bid 3 x 7 ask - x - last -\n"
        book = json.loads(await _line(as_json, '"price": "7"'))
        assert (book["instrument"], book["bids"][0]["quantity"], book["asks"]) == (instrument, "3", [])
        for process in (plain, as_json):
            process.terminate()
            await process.wait()


async def test_scripts_read_accounts_as_json(mesh: Mesh) -> None:
    """A new account is in the list, its cash as the contract writes it."""
    async with trader(mesh, balance="1234.5") as someone:
        listed = await ordermesh(someone.user, "accounts", "--json")
        own = [each for each in listed.json["accounts"] if each["account_id"] == someone.account_id]
        assert own[0]["balances"] == [{"currency": "USD", "amount": "1234.5", "opening_amount": "1234.5"}]


async def _watching(caller: User, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", *words, env=environment(caller), stdout=asyncio.subprocess.PIPE
    )


async def _line(process: asyncio.subprocess.Process, holds: str) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while holds not in (line := (await process.stdout.readline()).decode()):
            assert line, "the command has ended"
    return line


async def test_a_preview_says_what_would_become_of_an_order(mesh: Mesh) -> None:
    """Outcome, risk, cost and route; exit code 1 when it would be refused; nothing is placed."""
    async with trader(mesh) as seller, trader(mesh) as buyer:
        instrument = await new_instrument(seller)
        ask = await seller.place(SELL, instrument, "10", "20")
        await seller.reports.until(ask.order_id, ORDER_STATUS_NEW)
        mine = ("--preview", "--account", buyer.account_id)
        words = ("order", "buy", instrument, "12", "--limit", "20", *mine)
        told = await eventually(lambda: ordermesh(buyer.user, *words), lambda outcome: "10 at 20" in outcome.out)
        assert told.code == 0
        assert told.out.splitlines() == [
            f"would be accepted: buy 12 {instrument}",
            "risk   accepts",
            "cost   10 at 20 on average, 20 at worst; 2 would rest",
            "       value 200 USD, fee 0, net 200",
            "route  simulation, up",
        ]
        as_json = await ordermesh(buyer.user, *words, "--json")
        assert as_json.json["cost_estimate"]["fill_quantity"] == "10"
        refused = await ordermesh(buyer.user, "order", "buy", instrument, "0.5", "--limit", "20", *mine)
        assert (refused.code, refused.out.partition(": buy")[0]) == (1, "would be refused")
        assert "QUANTITY_OFF_LOT" in refused.out
        listed = await ordermesh(buyer.user, "orders", "--all", "--json", "--account", buyer.account_id)
        assert listed.json["orders"] == []
