"""Lists of orders through the whole mesh: REST, gRPC and the command, with a market that fills them."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx
import pytest

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_FILLED
from tests.e2e.test_e2e_rest import order
from tests.fixtures.command import ordermesh
from tests.fixtures.trader import BUY, SELL, Trader, new_instrument, trader
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]

FILLED, CANCELED, SUSPENDED = "ORDER_STATUS_FILLED", "ORDER_STATUS_CANCELED", "ORDER_STATUS_SUSPENDED"
NEW = "ORDER_STATUS_NEW"


def bracket(account: str, instrument: str, quantity: str = "10") -> dict[str, Any]:
    """Returns the JSON of a bracket: in at 50, out at 55, or below 48."""
    common: dict[str, Any] = {"instrument": instrument, "quantity": quantity}
    out = {"side": "SIDE_SELL", **common}
    return {
        "client_order_list_id": uuid.uuid4().hex,
        "contingency_type": "CONTINGENCY_TYPE_BRACKET",
        "orders": [
            order(account, limit_price="50", **common),
            order(account, limit_price="55", **out),
            order(account, type="ORDER_TYPE_STOP", limit_price=None, stop_price="48", **out),
        ],
    }


async def until(rest: httpx.AsyncClient, order_list_id: str, *statuses: str) -> dict[str, Any]:
    """Asks for a list until its orders are in some states."""

    async def ask() -> dict[str, Any]:
        answer = await rest.get(f"/api/v1/order-lists/{order_list_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["order_list"]
        return found

    return await eventually(ask, lambda found: [each["order_status"] for each in found["orders"]] == list(statuses))


async def filled(someone: Trader, instrument: str, price: str, quantity: str, side: Any = SELL) -> None:
    """Trades with what rests at a price."""
    placed = await someone.place(side, instrument, quantity, price)
    await someone.reports.until(placed.order_id, ORDER_STATUS_FILLED)


async def test_a_bracket_is_filled_in_parts_and_ends_with_its_profit(someone: Trader, other: Trader) -> None:
    """Exits take what the entry has filled, and what the take-profit fills is gone from the stop-loss."""
    rest, account, maker = someone.rest, someone.account_id, other
    instrument = await new_instrument(maker)
    asked = bracket(account, instrument)
    answer = await rest.post("/api/v1/order-lists", json=asked)
    assert answer.status_code == 200, answer.text
    list_id = answer.json()["order_list"]["order_list_id"]
    await until(rest, list_id, NEW, SUSPENDED, SUSPENDED)
    await filled(maker, instrument, "50", "4")
    armed = await until(rest, list_id, "ORDER_STATUS_PARTIALLY_FILLED", NEW, SUSPENDED)
    assert [each["quantity"] for each in armed["orders"]] == ["10", "4", "4"]
    await filled(maker, instrument, "50", "6")
    await until(rest, list_id, FILLED, NEW, SUSPENDED)
    await filled(maker, instrument, "55", "3", BUY)
    left = await until(rest, list_id, FILLED, "ORDER_STATUS_PARTIALLY_FILLED", SUSPENDED)
    assert [each["quantity"] for each in left["orders"]] == ["10", "10", "7"]
    await filled(maker, instrument, "55", "7", BUY)
    done = await until(rest, list_id, FILLED, FILLED, CANCELED)
    assert not done["live"]
    assert {each["order_list_id"] for each in done["orders"]} == {list_id}
    again = await rest.post("/api/v1/order-lists", json=asked)
    assert again.json()["order_list"]["order_list_id"] == list_id
    listed = await rest.get("/api/v1/order-lists", params={"account_id": account})
    assert [each["order_list_id"] for each in listed.json()["order_lists"]] == [list_id]
    of_list = await rest.get("/api/v1/orders", params={"order_list_id": list_id, "account_id": account})
    assert len(of_list.json()["orders"]) == 3


async def test_a_list_is_canceled_and_refused_over_rest(someone: Trader, other: Trader) -> None:
    """DELETE ends all its orders; what is no list is a 400 that names the field; an unknown one is a 404."""
    rest, account, maker = someone.rest, someone.account_id, other
    instrument = await new_instrument(maker)
    placed = (await rest.post("/api/v1/order-lists", json=bracket(account, instrument))).json()["order_list"]
    assert (await rest.delete(f"/api/v1/order-lists/{placed['order_list_id']}")).status_code == 200
    await until(rest, placed["order_list_id"], CANCELED, CANCELED, CANCELED)
    wrong = bracket(account, instrument)
    wrong["orders"][1]["quantity"] = "9"
    answer = await rest.post("/api/v1/order-lists", json=wrong)
    assert answer.status_code == 400
    assert "orders[1].quantity" in json.dumps(answer.json())
    assert (await rest.get(f"/api/v1/order-lists/{uuid.uuid4()}")).status_code == 404


async def test_the_command_places_a_bracket_and_cancels_it(mesh: Mesh) -> None:
    """`ordermesh bracket` says what became of the three orders; `cancel --all --list` ends them."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        placed = await ordermesh(
            someone.user,
            *("bracket", "buy", instrument, "5", "--limit", "50", "--take-profit", "55", "--stop-loss", "48"),
            *("--account", someone.account_id),
        )
        assert placed.code == 0, placed
        assert placed.out.count("suspended: sell 5") == 2
        live = await ordermesh(someone.user, "orders", "--account", someone.account_id, "--json")
        [order_list_id] = {each["order_list_id"] for each in live.json["orders"]}
        canceled = await ordermesh(
            someone.user, "cancel", "--all", "--list", order_list_id, "--account", someone.account_id
        )
        assert canceled.code == 0, canceled
        listed = await ordermesh(someone.user, "orders", "--account", someone.account_id, "--json")
        assert SUSPENDED not in listed.out
