"""Auctions, moved expiries and reduce-only orders through the whole mesh: gRPC, REST and the command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from deploy.embedded.mesh import Mesh
from ordermesh.marketdata.v1 import market_data_service_pb2
from ordermesh.order.v1 import order_entry_pb2, order_preview_pb2
from ordermesh.order.v1.execution_report_pb2 import (
    EXECUTION_TYPE_PENDING_CANCEL,
    EXECUTION_TYPE_REPLACE_REJECTED,
    EXECUTION_TYPE_REPLACED,
    ExecutionReport,
)
from ordermesh.order.v1.order_pb2 import (
    ORDER_STATUS_CANCELED,
    ORDER_STATUS_EXPIRED,
    ORDER_STATUS_FILLED,
    ORDER_STATUS_NEW,
    ORDER_STATUS_PARTIALLY_FILLED,
    Order,
)
from ordermesh.type.v1 import error_pb2, risk_breach_pb2, trading_pb2
from services.mesh.status import from_rpc_error
from tests.e2e.test_e2e_order_types import resting
from tests.fixtures.command import ordermesh
from tests.fixtures.trader import BUY, IOC, SELL, Trader, new_instrument, soon, trader
from tests.fixtures.users import operator
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]

OPENING, CLOSING = trading_pb2.TIME_IN_FORCE_AT_THE_OPENING, trading_pb2.TIME_IN_FORCE_AT_THE_CLOSE
GTD = trading_pb2.TIME_IN_FORCE_GTD
SYMBOLS = "/api/v1/market-data/symbols"


async def refusal_of(someone: Trader, *order: Any, **fields: Any) -> Any:
    """Places an order that is refused, and returns why."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await someone.place(*order, **fields)
    return from_rpc_error(caught.value)


async def admitted(refusal: str, someone: Trader, *order: Any, **fields: Any) -> Order:
    """Places an order, again while RiskService refuses it since it has not heard of a trade yet."""

    async def ask() -> Order | None:
        try:
            return await resting(someone, *order, **fields)
        except grpc.aio.AioRpcError as error:
            if from_rpc_error(error).reason != refusal:
                raise
            return None

    return await eventually(ask)


async def is_collecting(someone: Trader, instrument: str) -> bool:
    """Tells whether the instrument is in a call phase, as far as OrderService knows: an order at once is refused."""
    request = order_preview_pb2.PreviewOrderRequest(order=someone.request(BUY, instrument, "1", "1", time_in_force=IOC))
    preview = await someone.orders.PreviewOrder(request)
    return "AUCTION_CALL_PHASE" in str(preview.result.error)


async def test_orders_for_the_opening_wait_trade_at_one_price_and_expire(mesh: Mesh, rest: httpx.AsyncClient) -> None:
    """An operator begins and ends the auction over REST; each account hears what became of its orders, and holds it."""
    async with trader(mesh) as maker, trader(mesh) as someone, trader(mesh) as other:
        instrument = await new_instrument(maker)
        # Somebody must have traded: a market order needs a price to be checked against.
        await resting(maker, SELL, instrument, "1", "50")
        first = await other.place(BUY, instrument, "1", "50")
        await other.reports.until(first.order_id, ORDER_STATUS_FILLED)
        waiting = await admitted("NO_REFERENCE_PRICE", someone, BUY, instrument, "7", time_in_force=OPENING)
        low = await resting(other, BUY, instrument, "4", "48", time_in_force=OPENING)
        closing = await resting(other, BUY, instrument, "2", "48", time_in_force=CLOSING)
        assert (waiting.limit_price, waiting.time_in_force) == ("", OPENING)

        begun = await rest.post(f"{SYMBOLS}/{instrument}:beginAuction", json={"kind": "AUCTION_KIND_OPENING"})
        assert begun.status_code == 200, begun.text
        assert (begun.json()["begun"], begun.json()["instrument"]["status"]) == (True, "INSTRUMENT_STATUS_CALL_AUCTION")
        offered = await resting(maker, SELL, instrument, "5", "49")
        wanted = await resting(other, BUY, instrument, "2", "51")
        await eventually(lambda: is_collecting(someone, instrument), bool)
        error = await refusal_of(someone, BUY, instrument, "1", "50", time_in_force=IOC)
        assert (error.reason, error.kind.value) == ("AUCTION_CALL_PHASE", "precondition")

        async def quote() -> dict[str, Any]:
            answer = await rest.get(f"/api/v1/market-data/{instrument}")
            told: dict[str, Any] = answer.json()["quote"]
            return told

        told = await eventually(quote, lambda told: (told.get("auction") or {}).get("indicative_quantity") == "5")
        assert (told["status"], told["bid_price"], told["ask_price"]) == ("INSTRUMENT_STATUS_CALL_AUCTION", "", "")
        # Five trade at any price from 49 to 51: of these the last trade's.
        assert told["auction"]["indicative_price"] == "50"
        assert (told["auction"]["kind"], told["auction"]["surplus_side"]) == ("AUCTION_KIND_OPENING", "SIDE_BUY")

        ended = await rest.post(f"{SYMBOLS}/{instrument}:uncrossAuction", json={"reference_price": "50.50"})
        assert ended.status_code == 200, ended.text
        price = ended.json()["price"]
        assert (ended.json()["quantity"], price) == ("5", "50.5")
        again = await rest.post(f"{SYMBOLS}/{instrument}:uncrossAuction", json={})
        assert (again.status_code, again.json()["details"][0]["reason"]) == (400, "AUCTION_PHASE_MISMATCH")

        sold = await maker.reports.until(offered.order_id, ORDER_STATUS_FILLED)
        assert sold.average_price == price
        partly = await someone.reports.until(waiting.order_id, ORDER_STATUS_PARTIALLY_FILLED)
        assert (partly.last_quantity, partly.last_price) == ("5", price)
        expired = await someone.reports.until(waiting.order_id, ORDER_STATUS_EXPIRED)
        assert (expired.cumulative_quantity, expired.reason) == ("5", error_pb2.ERROR_REASON_AUCTION_ENDED)
        assert (await other.reports.until(low.order_id, ORDER_STATUS_EXPIRED)).cumulative_quantity == "0"
        assert (await someone.position(instrument, trades=1)).quantity == "5"
        live = {wanted.order_id, closing.order_id}
        canceled = await other.orders.CancelAllOrders(
            order_entry_pb2.CancelAllOrdersRequest(account_id=other.account_id)
        )
        assert set(canceled.order_ids) == live, "the book's order and the one for the close go on"


async def test_the_command_runs_an_auction(mesh: Mesh) -> None:
    """Begun, told in words, ended; a second end is refused with advice."""
    async with trader(mesh) as someone, trader(mesh) as other:
        instrument, desk = await new_instrument(someone), await operator(mesh)
        began = await ordermesh(desk, "auction", "begin", "closing", instrument)
        assert (began.code, began.out.strip()) == (0, f"the closing auction of {instrument} has begun")
        mine = ("--account", someone.account_id)
        words = ("order", "buy", instrument, "10", "--limit", "21", "--tif", "at-the-close")
        placed = await ordermesh(someone.user, *words, *mine)
        assert placed.out.startswith(f"new: buy 10 {instrument} at 21 or better (at the close)")
        await resting(other, SELL, instrument, "4", "20")

        async def told() -> str:
            return (await ordermesh(someone.user, "quotes", instrument)).out

        await eventually(told, lambda text: "closing auction: 4 at 2" in text and "6 more to buy" in text)
        over = await ordermesh(desk, "auction", "uncross", instrument, "--reference", "20.50")
        assert over.out.strip() == f"the auction of {instrument} is over: 4 traded at 20.5"
        again = await ordermesh(desk, "auction", "uncross", instrument)
        assert (again.code, "AUCTION_PHASE_MISMATCH" in again.err) == (1, True)


async def test_an_expiry_is_moved(mesh: Mesh) -> None:
    """By PUT, keeping the place; an order that is brought forward expires then; others have no expiry to move."""
    async with trader(mesh) as maker, trader(mesh) as taker:
        instrument = await new_instrument(maker)
        late = datetime.now(UTC) + timedelta(days=30)
        first = await resting(maker, SELL, instrument, "5", "50", time_in_force=GTD, expire_at=late)
        second = await resting(maker, SELL, instrument, "5", "50")
        path = f"/api/v1/orders/{first.order_id}"
        for body, reason in (
            ({"expire_at": "2001-01-01T00:00:00Z"}, "EXPIRE_AT_REACHED"),
            ({}, "INVALID_FIELD"),
        ):
            refused = await maker.rest.put(path, json={"replace_id": "r-0", **body})
            assert (refused.status_code, refused.json()["details"][0]["reason"]) == (400, reason)
        other = await maker.rest.put(
            f"/api/v1/orders/{second.order_id}", json={"replace_id": "r-0", "expire_at": "2100-01-01T00:00:00Z"}
        )
        assert (other.status_code, other.json()["details"][0]["reason"]) == (400, "EXPIRE_AT_MISMATCH")

        later = {"replace_id": "r-1", "expire_at": "2100-01-02T03:04:05.000000006Z"}
        assert (await maker.rest.put(path, json=later)).status_code == 200
        replaced = await maker.reports.until_type(first.order_id, EXECUTION_TYPE_REPLACED)
        assert replaced.expire_at.ToJsonString() == later["expire_at"]
        assert replaced.replace.original_expire_at.ToDatetime(tzinfo=UTC) == late
        assert (await maker.rest.put(path, json=later)).status_code == 200
        bought = await taker.place(BUY, instrument, "2", "50")
        await taker.reports.until(bought.order_id, ORDER_STATUS_FILLED)
        await maker.reports.until(first.order_id, ORDER_STATUS_PARTIALLY_FILLED)
        assert not [each for each in maker.reports.of(second.order_id) if each.last_quantity]

        moved = await ordermesh(maker.user, "replace", first.order_id, "--until", "2100-01-03T03:04:05Z")
        assert (moved.code, moved.err) == (0, "")
        assert "until 2100-01-0" in moved.out

        async def brought_forward(at: datetime) -> ExecutionReport | None:
            end = Timestamp()
            end.FromDatetime(at)
            name = f"r-{end.seconds}"
            asked = order_entry_pb2.ReplaceOrderRequest(order_id=first.order_id, replace_id=name, expire_at=end)
            await maker.orders.ReplaceOrder(asked)
            ends = {EXECUTION_TYPE_REPLACED, EXECUTION_TYPE_REPLACE_REJECTED}
            told = await maker.reports.such(
                first.order_id, lambda each: each.replace.replace_id == name and each.execution_type in ends
            )
            return told if told.execution_type == EXECUTION_TYPE_REPLACED else None

        await soon(brought_forward)
        expired = await maker.reports.until(first.order_id, ORDER_STATUS_EXPIRED)
        assert (expired.cumulative_quantity, expired.reason) == ("2", error_pb2.ERROR_REASON_EXPIRE_AT_REACHED)
        await maker.cancel(second.order_id)


async def long_position(maker: Trader, someone: Trader, quantity: str) -> str:
    """Lets somebody buy, and returns the instrument: a bid of twice as much rests at 49 then."""
    instrument = await new_instrument(maker)
    await resting(maker, SELL, instrument, quantity, "50")
    bought = await someone.place(BUY, instrument, quantity, "50")
    await someone.reports.until(bought.order_id, ORDER_STATUS_FILLED)
    await resting(maker, BUY, instrument, str(2 * int(quantity)), "49")
    return instrument


async def test_a_reduce_only_order_never_does_more(mesh: Mesh) -> None:
    """Refused beyond the position, also by a preview; withdrawn when a plain order takes the position away."""
    async with trader(mesh) as maker, trader(mesh) as someone:
        instrument = await long_position(maker, someone, "10")
        target = await admitted("REDUCE_ONLY", someone, SELL, instrument, "6", "51", reduce_only=True)
        assert target.reduce_only
        newer = await resting(someone, SELL, instrument, "2", "52", reduce_only=True)
        error = await refusal_of(someone, SELL, instrument, "3", "53", reduce_only=True)
        assert error.reason == "REDUCE_ONLY"
        [breach] = [each for each in error.details if isinstance(each, risk_breach_pb2.RiskBreach)]
        assert (breach.rule, breach.limit, breach.observed) == (risk_breach_pb2.RISK_RULE_REDUCE_ONLY, "10", "11")
        assert (await refusal_of(someone, BUY, instrument, "1", "48", reduce_only=True)).reason == "REDUCE_ONLY"
        order = someone.request(SELL, instrument, "3", "53")
        order.reduce_only = True
        told = await someone.orders.PreviewOrder(order_preview_pb2.PreviewOrderRequest(order=order))
        assert told.risk_decision.reason == error_pb2.ERROR_REASON_REDUCE_ONLY
        words = ("order", "sell", instrument, "3", "--limit", "53", "--reduce-only", "--account", someone.account_id)
        shown = await ordermesh(someone.user, *words)
        assert (shown.code, "REDUCE_ONLY" in shown.err) == (1, True)

        plain = await someone.place(SELL, instrument, "3", "49")
        await someone.reports.until(plain.order_id, ORDER_STATUS_FILLED)
        withdrawn = await someone.reports.until_type(newer.order_id, EXECUTION_TYPE_PENDING_CANCEL)
        assert withdrawn.reason == error_pb2.ERROR_REASON_REDUCE_ONLY
        await someone.reports.until(newer.order_id, ORDER_STATUS_CANCELED)
        assert someone.reports.of(target.order_id)[-1].order_status == ORDER_STATUS_NEW, "6 of 7 are left to it"

        rest_of_it = await someone.place(SELL, instrument, "7", "49")
        await someone.reports.until(rest_of_it.order_id, ORDER_STATUS_FILLED)
        ended = await someone.reports.until(target.order_id, ORDER_STATUS_CANCELED)
        assert ended.cumulative_quantity == "0"
        assert (await someone.position(instrument, trades=3)).quantity == "0"
        listed = await someone.market_data.GetInstrument(
            market_data_service_pb2.GetInstrumentRequest(instrument=instrument)
        )
        assert listed.instrument.version == 1
