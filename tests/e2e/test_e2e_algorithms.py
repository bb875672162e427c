"""Orders that algorithms work, through the whole mesh: gRPC, REST, streams, command, kill switch, and a crash."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1 import algorithm_pb2, order_pb2, order_query_pb2
from ordermesh.order.v1.execution_report_pb2 import EXECUTION_TYPE_NEW, EXECUTION_TYPE_ORDER_STATUS
from ordermesh.order.v1.order_pb2 import (
    ORDER_STATUS_CANCELED,
    ORDER_STATUS_EXPIRED,
    ORDER_STATUS_FILLED,
    ORDER_STATUS_NEW,
)
from ordermesh.risk.v1 import trading_state_admin_pb2
from ordermesh.risk.v1.trading_state_pb2 import TRADING_STATE_HALTED
from ordermesh.type.v1 import error_pb2
from tests.e2e.test_e2e_rest import order, until_status
from tests.fixtures.command import ordermesh
from tests.fixtures.mesh import running_mesh
from tests.fixtures.trader import BUY, DAY, SELL, Trader, new_instrument, trader
from tests.fixtures.waiting import answered, eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]

AT_ONCE = algorithm_pb2.CHILD_AGGRESSIVENESS_AGGRESSIVE
PASSIVE = algorithm_pb2.CHILD_AGGRESSIVENESS_PASSIVE


def twap(seconds: float, slice_seconds: int = 1, **fields: Any) -> algorithm_pb2.Algorithm:
    """Returns a TWAP that ends after some seconds."""
    end = Timestamp()
    end.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
    return algorithm_pb2.Algorithm(
        twap=algorithm_pb2.Twap(slice_interval=Duration(seconds=slice_seconds)),
        end_time=end,
        **{"child_aggressiveness": AT_ONCE} | fields,
    )


async def offered(maker: Trader, quantity: str = "1000", price: str = "20") -> str:
    """Makes an instrument with an offer and a bid beside it, and returns its name."""
    instrument = await new_instrument(maker)
    for side, at in ((SELL, price), (BUY, "19.9")):
        placed = await maker.place(side, instrument, quantity, at)
        await maker.reports.until(placed.order_id, ORDER_STATUS_NEW)
    return instrument


async def children_of(someone: Trader, parent: order_pb2.Order) -> list[order_pb2.Order]:
    """Returns the children of an order, newest first."""
    wanted = order_query_pb2.ListOrdersRequest(
        account_id=someone.account_id, parent_order_id=parent.order_id, page_size=1000
    )
    return list((await answered(lambda: someone.orders.ListOrders(wanted))).orders)


async def get(someone: Trader, order_id: str) -> order_pb2.Order:
    """Returns an order as it stands."""
    wanted = order_query_pb2.GetOrderRequest(order_id=order_id)
    found: order_pb2.Order = (await answered(lambda: someone.orders.GetOrder(wanted))).order
    return found


def total(children: list[order_pb2.Order]) -> Decimal:
    """Returns what children have filled."""
    return sum((Decimal(child.cumulative_quantity) for child in children), Decimal(0))


async def test_a_twap_fills_through_children_that_the_stream_shows(mesh: Mesh) -> None:
    """Children name their parent in lists and streams; the parent has what they have, and ends FILLED in time."""
    async with trader(mesh) as maker, trader(mesh) as someone:
        instrument = await offered(maker)
        parent = await someone.place(
            BUY, instrument, "40", "20", time_in_force=DAY, algorithm=twap(6), strategy_id="slow"
        )
        assert (parent.order_status, parent.algorithm.WhichOneof("strategy")) == (ORDER_STATUS_NEW, "twap")
        filled = await someone.reports.until(parent.order_id, ORDER_STATUS_FILLED)
        assert filled.average_price == "20"
        children = await children_of(someone, parent)
        assert total(children) == 40
        assert len(children) >= 4
        assert {(child.parent_order_id, child.strategy_id) for child in children} == {(parent.order_id, "slow")}
        types = [report.execution_type for report in someone.reports.of(parent.order_id)]
        assert (types[0], set(types[1:])) == (EXECUTION_TYPE_NEW, {EXECUTION_TYPE_ORDER_STATUS})
        for child in children:
            assert {r.parent_order_id for r in someone.reports.of(child.order_id)} == {parent.order_id}
        position = await someone.position(instrument, trades=len([c for c in children if c.cumulative_quantity != "0"]))
        assert position.quantity == "40"


async def test_what_rests_at_the_end_time_is_canceled_and_the_order_expires(mesh: Mesh) -> None:
    """A passive TWAP that nobody trades with leaves nothing behind in the book."""
    async with trader(mesh) as maker, trader(mesh) as someone:
        instrument = await offered(maker)
        asked = twap(4, 1, child_aggressiveness=PASSIVE)
        parent = await someone.place(BUY, instrument, "8", "20", time_in_force=DAY, algorithm=asked)
        expired = await someone.reports.until(parent.order_id, ORDER_STATUS_EXPIRED)
        assert expired.reason == error_pb2.ERROR_REASON_ALGORITHM_ENDED
        children = await children_of(someone, parent)
        assert children
        assert {child.order_status for child in children} == {ORDER_STATUS_CANCELED}
        assert {child.limit_price for child in children} == {"19.9"}


async def test_participation_follows_what_trades(mesh: Mesh) -> None:
    """A fifth of the volume: when 40 have traded between others it has 10, a fifth of 50."""
    async with trader(mesh) as maker, trader(mesh) as someone:
        instrument = await offered(maker)
        asked = twap(60)
        asked.participation_of_volume.target_rate = "0.2"
        parent = await someone.place(BUY, instrument, "100", "20", time_in_force=DAY, algorithm=asked)
        async with trader(mesh) as taker:

            async def trades() -> Decimal:
                # Volume counts from the first whole second on: so more of it until some is seen.
                await taker.place(BUY, instrument, "10", "20")
                return Decimal((await get(someone, parent.order_id)).cumulative_quantity)

            done = await eventually(trades, lambda traded: traded >= 4)
        assert done <= 100
        await someone.cancel(parent.order_id)
        await someone.reports.until(parent.order_id, ORDER_STATUS_CANCELED)


async def test_the_kill_switch_takes_parent_and_children(mesh: Mesh) -> None:
    """A halt of the account cancels what rests and ends the order with the reason; nothing is sent any more."""
    async with trader(mesh) as maker, trader(mesh) as someone:
        instrument = await offered(maker)
        asked = twap(600, 300, child_aggressiveness=PASSIVE)
        parent = await someone.place(BUY, instrument, "8", "20", time_in_force=DAY, algorithm=asked)
        await eventually(lambda: children_of(someone, parent), bool)
        halt = trading_state_admin_pb2.EmergencyStopRequest(
            account_id=someone.account_id, state=TRADING_STATE_HALTED, text="by a test"
        )
        await someone.risk.EmergencyStop(halt)
        ended = await someone.reports.until(parent.order_id, ORDER_STATUS_CANCELED)
        assert ended.reason == error_pb2.ERROR_REASON_TRADING_HALTED
        children = await children_of(someone, parent)
        assert {child.order_status for child in children} == {ORDER_STATUS_CANCELED}


async def test_rest_previews_and_places_algorithms(mesh: Mesh, someone: Trader) -> None:
    """The schedule is told before; a bad parameter names its field; the order tells its algorithm, and is replaced."""
    async with trader(mesh) as maker:
        instrument = await offered(maker)
        rest, account = someone.rest, someone.account_id
        end = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
        impact = {"volatility": "0.95", "temporary_impact": "0.001"}
        shortfall = {"risk_aversion": "100", "slice_interval": "900s"} | impact
        body = order(account, instrument=instrument, quantity="40", time_in_force="TIME_IN_FORCE_DAY") | {
            "limit_price": "19",
            "algorithm": {"implementation_shortfall": shortfall, "end_time": end},
        }
        preview = (await rest.post("/api/v1/orders:preview", json={"order": body})).json()
        schedule = preview["algorithm_schedule"]
        assert [Decimal(each["quantity"]) for each in schedule["slices"]] != [10, 10, 10, 10]
        assert (len(schedule["slices"]), schedule["slices"][-1]["cumulative_quantity"]) == (4, "40")
        assert Decimal(schedule["expected_cost"]) > 0
        bad = body | {"algorithm": {"twap": {"randomisation": "2"}, "end_time": end}}
        refused = await rest.post("/api/v1/orders", json=bad)
        assert refused.status_code == 400
        assert "algorithm.twap.randomisation" in refused.text
        late = body | {"algorithm": {"twap": {}, "end_time": "2001-01-01T00:00:00Z"}}
        assert "ALGORITHM_TIME_MISMATCH" in (await rest.post("/api/v1/orders", json=late)).text
        placed = (await rest.post("/api/v1/orders", json=body)).json()["order"]
        assert placed["order_status"] == "ORDER_STATUS_NEW"
        path = f"/api/v1/orders/{placed['order_id']}"

        async def planned() -> Any:
            return (await rest.get(path)).json()["order"]["algorithm"].get("plan")

        plan = await eventually(planned, lambda found: found is not None)
        assert plan["volatility"] == "0.95"
        replaced = await rest.put(path, json={"replace_id": "r-1", "quantity": "50"})
        assert replaced.status_code == 200
        await rest.post(f"{path}/cancel", json={})
        await until_status(rest, placed["order_id"], "ORDER_STATUS_CANCELED")


async def test_the_command_works_an_order(mesh: Mesh) -> None:
    """The command previews slices, places a TWAP and tells it as such; options without --algorithm are refused."""
    async with trader(mesh) as maker, trader(mesh) as someone:
        instrument = await offered(maker)
        words = ("order", "buy", instrument, "30", "--limit", "20", "--account", someone.account_id)
        works = (*words, "--algorithm", "twap", "--end", "10m", "--slice", "5m", "--style", "passive")
        looked = await ordermesh(someone.user, *works, "--preview")
        assert (looked.code, looked.err) == (0, "")
        assert looked.out.count(": 15\n") == 2
        placed = await ordermesh(someone.user, *works)
        assert (placed.code, placed.err) == (0, "")
        assert placed.out.startswith("new: buy 30")
        assert "twap until" in placed.out
        wrong = await ordermesh(someone.user, *words, "--end", "10m")
        assert wrong.code == 2


async def test_a_crash_in_the_middle_neither_loses_nor_doubles(tmp_path: Path) -> None:
    """OrderService is killed twice while it works an order: it goes on, and fills what was ordered, to the lot."""
    async with (
        running_mesh(tmp_path, ["order", "gateway"]) as mesh,
        trader(mesh) as maker,
        trader(mesh) as someone,
    ):
        instrument = await offered(maker)
        parent = await someone.place(BUY, instrument, "40", "20", time_in_force=DAY, algorithm=twap(24))

        async def traded() -> Decimal:
            return Decimal((await get(someone, parent.order_id)).cumulative_quantity)

        for least in (3, 10):
            await eventually(traded, Decimal(least).__le__)
            await mesh.kill("order")
            await mesh.until_serving("order")
        filled = await eventually(
            lambda: get(someone, parent.order_id),
            lambda found: found.order_status == ORDER_STATUS_FILLED,
            seconds=80,
        )
        children = await children_of(someone, parent)
        assert total(children) == 40
        assert filled.cumulative_quantity == "40"
        ids = [child.client_order_id for child in children]
        assert len(ids) == len(set(ids))
        position = await someone.position(
            instrument, trades=len([child for child in children if child.cumulative_quantity != "0"])
        )
        assert position.quantity == "40"
