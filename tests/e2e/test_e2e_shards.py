"""A mesh whose accounts are split over two shards of OrderService: nobody notices, and each dies alone."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial

import grpc
import httpx
import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_CANCELED, ORDER_STATUS_FILLED, ORDER_STATUS_NEW
from ordermesh.order.v1.order_query_pb2 import GetOrderRequest, ListOrdersRequest
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from ordermesh.risk.v1 import risk_service_pb2
from ordermesh.risk.v1 import trading_state_admin_pb2 as admin
from ordermesh.risk.v1.trading_state_pb2 import TRADING_STATE_HALTED
from services.kernel.shards import shard_of
from tests.e2e.test_e2e_rest import order
from tests.fakes.trade_client import TradeClient, placing
from tests.faults.load import Load
from tests.fixtures.direct import direct_channels
from tests.fixtures.events import events
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.trader import BUY, SELL, Trader, new_instrument, trader
from tests.fixtures.users import DEALER, made, operator
from tests.fixtures.waiting import answered, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module")]

SHARDS = ("order", "order-1")
PASSED_ON = "ordermesh_order_calls_passed_on_total{"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """A mesh of these tests' own."""
    async with running_mesh(tmp_path_factory.mktemp("shards"), WITHOUT_AGENTS, shards=len(SHARDS)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def rest(mesh: Mesh) -> AsyncIterator[httpx.AsyncClient]:
    """A REST client at the gateway, of the operator's."""
    async with (await operator(mesh)).over_rest() as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def traders(mesh: Mesh) -> AsyncIterator[Sequence[Trader]]:
    """A trader of each shard, at the gateway."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(trader(mesh, account_id=account_of(shard))) for shard in range(len(SHARDS))
        ]


def account_of(shard: int) -> str:
    """Returns a new account that a shard owns."""
    while shard_of(account_id := f"t-{uuid.uuid4().hex[:12]}", len(SHARDS)) != shard:
        pass
    return account_id


async def passed_on(rest: httpx.AsyncClient) -> float:
    """Returns how many calls the shards have passed on."""
    lines = (await rest.get("/metrics")).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(PASSED_ON))


async def test_rest_and_events_know_one_order_service(
    mesh: Mesh, rest: httpx.AsyncClient, traders: Sequence[Trader]
) -> None:
    """Accounts of both shards trade with each other: orders, events, lists, risk and positions of each are told."""
    buyer, seller = traders
    dealer = await made(mesh, DEALER, accounts=(buyer.account_id, seller.account_id))
    instrument = await new_instrument(buyer)
    told: dict[str, str] = {}

    async def follow(account_id: str, subscribed: asyncio.Event) -> None:
        async with rest.stream("GET", "/api/v1/stream/orders", params={"account_id": account_id}) as response:
            async for event in events(response):
                if "snapshot_end" in event:
                    subscribed.set()
                told.update({r["order_id"]: r["order_status"] for r in event.get("update", {}).get("reports", ())})

    subscribed = [asyncio.Event() for _ in traders]
    following = [
        asyncio.create_task(follow(each.account_id, begun)) for each, begun in zip(traders, subscribed, strict=True)
    ]
    await asyncio.wait_for(asyncio.gather(*(begun.wait() for begun in subscribed)), 20)
    bodies = [
        order(someone.account_id, side, instrument=instrument, quantity="3")
        for someone, side in ((buyer, "SIDE_BUY"), (seller, "SIDE_SELL"))
        for _ in range(4)
    ]
    async with dealer.over_rest() as desk:
        answer = await desk.post("/api/v1/orders:batch", json={"orders": bodies})
    placed = [result["order"] for result in answer.json()["results"]]
    assert [each["client_order_id"] for each in placed] == [body["client_order_id"] for body in bodies]
    ids = {each["order_id"] for each in placed}
    await eventually(
        lambda: {told.get(order_id) for order_id in ids}, lambda statuses: statuses == {"ORDER_STATUS_FILLED"}
    )
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)

    for each in placed:
        assert (await rest.get(f"/api/v1/orders/{each['order_id']}")).json()["order"]["order_status"].endswith("FILLED")
    told_of = [{"instrument": instrument, "account_id": someone.account_id} for someone in traders]
    trades = [(await rest.get("/api/v1/trades", params=each)).json()["trades"] for each in told_of]
    assert {trade["order_id"] for each in trades for trade in each} == ids
    for someone, quantity in ((buyer, "12"), (seller, "-12")):
        assert (await someone.position(instrument, trades=4)).quantity == quantity

        async def held(someone: Trader = someone) -> str:
            request = risk_service_pb2.GetRiskMetricsRequest(account_id=someone.account_id)
            metrics = (await someone.risk.GetRiskMetrics(request)).metrics
            return metrics.exposures[0].position if metrics.exposures else ""

        await eventually(held, lambda found, quantity=quantity: found == quantity)  # type: ignore[misc]  # bound at once


async def test_a_direct_client_may_call_either(mesh: Mesh, traders: Sequence[Trader]) -> None:
    """Orders and Trade streams of both accounts at both shards."""
    instrument = await new_instrument(traders[0])
    channels = direct_channels(mesh)
    try:
        for name in SHARDS:
            for someone in traders:
                stub = OrderServiceStub(someone.user.authorized(channels.to(mesh.address(name))))
                asked = someone.request(BUY, instrument, "1", "5")
                resting = (await stub.PlaceOrder(asked)).order
                await someone.reports.until(resting.order_id, ORDER_STATUS_NEW)
                async with TradeClient.open(stub, someone.account_id) as trading:
                    placed = await trading.place(someone.request(BUY, instrument, "1", "5"))
                    await trading.ask(placing(asked))
                    await trading.until(lambda o=placed, t=trading: _is(t, o.order_id, ORDER_STATUS_NEW))  # type: ignore[misc]  # bound at once
                    await trading.close()
    finally:
        await channels.close()


def _is(trading: TradeClient, order_id: str, status: int) -> bool:
    return any(report.order_id == order_id and report.order_status == status for report in trading.reports)


async def test_a_call_that_names_its_account_goes_to_its_shard_at_once(
    rest: httpx.AsyncClient, traders: Sequence[Trader]
) -> None:
    """Envoy and the services have the same map; without the header, calls are passed on and answered all the same."""
    accounts = [someone.account_id for someone in traders for _ in range(20)]

    async def lists(named: bool) -> float:
        before = await passed_on(rest)
        for account_id in accounts:
            headers = {"x-ordermesh-account": account_id} if named else {}
            answer = await rest.get("/api/v1/orders", params={"account_id": account_id}, headers=headers)
            assert answer.status_code == 200, answer.text
        return await passed_on(rest) - before

    assert await lists(named=True) == 0
    assert await lists(named=False) > 0


async def test_the_kill_switch_of_the_firm_stops_every_shard(traders: Sequence[Trader]) -> None:
    """Open orders of both are canceled, new ones of both are refused, and both trade again after it."""
    instrument = await new_instrument(traders[0])
    resting = [await someone.place(BUY, instrument, "1", "5") for someone in traders]
    for someone, each in zip(traders, resting, strict=True):
        await someone.reports.until(each.order_id, ORDER_STATUS_NEW)
    stop = admin.EmergencyStopRequest(firm=True, state=TRADING_STATE_HALTED, text="by a test")
    assert (await traders[0].operator.risk.EmergencyStop(stop)).canceled_orders >= len(traders)
    for someone, each in zip(traders, resting, strict=True):
        await someone.reports.until(each.order_id, ORDER_STATUS_CANCELED)
        with pytest.raises(grpc.aio.AioRpcError, match="is halted: by a test"):
            await someone.place(BUY, instrument, "1", "5")
    await traders[0].operator.risk.Resume(admin.ResumeRequest(firm=True, text="by a test"))
    for someone in traders:
        await someone.place(BUY, instrument, "1", "5")


async def until_filled(someone: Trader, order_id: str) -> None:
    """Asks for an order until it is filled, also while its shard is away."""

    async def status() -> int:
        return (await answered(lambda: someone.orders.GetOrder(GetOrderRequest(order_id=order_id)))).order.order_status

    await eventually(status, lambda found: found == ORDER_STATUS_FILLED)


async def until_back(mesh: Mesh, shard: str, someone: Trader) -> None:
    """Waits until a shard serves again, and who calls it has found out: the gateway, and the shards around it.

    Until then calls for its accounts are refused: those that name one at the gateway, and those that a shard passes on.

    Args:
        mesh: Their mesh.
        shard: The shard.
        someone: Who has an account there.
    """
    await mesh.until_serving(shard)
    request, named = ListOrdersRequest(account_id=someone.account_id), (("x-ordermesh-account", someone.account_id),)
    await answered(lambda: someone.orders.ListOrders(request, metadata=named))
    for other in SHARDS:
        async with someone.user.calling(other) as channel:
            stub = OrderServiceStub(channel)
            await answered(partial(stub.ListOrders, request))


async def test_a_shard_that_is_killed_takes_no_other_along(mesh: Mesh, traders: Sequence[Trader]) -> None:
    """While it is away the other's accounts trade without one refusal; its own lack nothing afterwards."""
    away, there = traders
    instrument = await new_instrument(there)
    resting = await away.place(SELL, instrument, "1", "50")
    await away.reports.until(resting.order_id, ORDER_STATUS_NEW)
    named = (("x-ordermesh-account", there.account_id),)
    direct = mesh.channel(SHARDS[1])
    async with direct:
        await mesh.kill(SHARDS[0])
        for number in range(20):
            stub, metadata = ((there.orders, named), (OrderServiceStub(there.user.authorized(direct)), ()))[number % 2]
            request = there.request(BUY, instrument, "1", "49")
            await stub.PlaceOrder(request, metadata=metadata, timeout=10)
        # Through a gateway that is told no account: a call that was at the dead one is sent again.
        filled = await there.place(BUY, instrument, "1", "50")
    await until_back(mesh, SHARDS[0], away)
    # Not by their streams, which may have been handed through the dead one.
    for someone, each in ((away, resting), (there, filled)):
        await until_filled(someone, each.order_id)
    for someone, quantity in ((away, "-1"), (there, "1")):
        assert (await someone.position(instrument, trades=1)).quantity == quantity
    again = await away.place(SELL, instrument, "1", "60")
    assert again.account_id == away.account_id


async def test_orders_of_both_shards_survive_the_death_of_one(mesh: Mesh, traders: Sequence[Trader]) -> None:
    """What clients were told, both logs, the engine and positions agree, though every call goes through the other."""
    async with Load.open(mesh, seed=44, accounts=8) as load:
        async with load.running(orders=240):
            await load.until_placed(80)
            await mesh.kill(SHARDS[1])
        await until_back(mesh, SHARDS[1], traders[1])
        await load.settle()
        await load.assert_counts_agree()
