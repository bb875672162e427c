"""Every method of OrderService for a trader with one account: what is theirs is served, the rest is not there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ordermesh.order.v1 import (
    execution_quality_pb2,
    execution_quality_summary_pb2,
    order_list_pb2,
    order_pb2,
    order_preview_pb2,
    order_query_pb2,
    order_stream_pb2,
    reconciliation_pb2,
    trade_query_pb2,
)
from ordermesh.order.v1 import order_entry_pb2 as entry
from ordermesh.order.v1.trade_stream_pb2 import TradeOpen, TradeRequest
from services.kernel.errors import CodedError
from services.mesh.access.accounts import AccountAccess
from services.mesh.access.caller import Caller
from services.mesh.context import enter_call
from services.mesh.descriptors import service_descriptor
from services.mesh.interceptors.base import Method
from services.order.domain import events, refusals
from services.order.domain.order_lists import ContingencyType, ListRecord, OrderList
from services.order.peers.shards import SERVICE
from services.order.servicer.access import account_interceptor
from tests.fakes.access import LIVE, SIMULATION, FakeEnvironments, call_of, caller
from tests.fakes.order_sharding import FakeCall, each, method
from tests.fakes.orders import terms

MINE, THEIRS = (f"01890000-0000-7000-8000-00000000000{n}" for n in range(2))
ACCOUNT_OF = {MINE: "demo", THEIRS: "other"}
TRADER = caller("trader", accounts=("demo",))


class Orders:
    """One order of each account."""

    async def get(self, order_id: str) -> Any:
        if order_id not in ACCOUNT_OF:
            raise refusals.unknown_order(order_id)
        return events.place(terms(account_id=ACCOUNT_OF[order_id]), 1, 2_000).order, 1


class Lists:
    """One list of each account."""

    async def get(self, order_list_id: str) -> OrderList:
        if order_list_id not in ACCOUNT_OF:
            raise refusals.unknown_list(order_list_id)
        record = ListRecord(order_list_id, "l-1", ACCOUNT_OF[order_list_id], ContingencyType.ONE_CANCELS_THE_OTHER)
        return OrderList(record, ())


class World:
    """The interceptor, and what it let through."""

    def __init__(self, **known: int) -> None:
        known = known or {"demo": SIMULATION, "other": SIMULATION}
        self.interceptor = account_interceptor(AccountAccess(FakeEnvironments(known)), Orders(), Lists())
        self.served: list[Any] = []

    async def call(self, name: str, request: Any, who: Caller | None = TRADER, *roles: str) -> Any:
        """Calls a method, streams to their end."""
        enter_call(call_of(who, *roles))
        context: Any = FakeCall()
        asked = each(request) if name == "Trade" else request
        if not method(name).response_streaming:
            return await self.interceptor.wrap_unary(method(name), self._answer)(request, context)
        return [one async for one in self.interceptor.wrap_stream(method(name), self._stream)(asked, context)]

    async def _answer(self, request: Any, _context: Any) -> Any:
        self.served.append(request)
        if isinstance(request, trade_query_pb2.GetTradeRequest):
            trade = order_pb2.Trade(account_id=ACCOUNT_OF[request.trade_id])
            return trade_query_pb2.GetTradeResponse(trade=trade)
        return "answer"

    async def _stream(self, requests: Any, _context: Any) -> AsyncIterator[Any]:
        self.served.append([one async for one in requests] if hasattr(requests, "__aiter__") else requests)
        yield "message"


def place(account: str) -> entry.PlaceOrderRequest:
    """Returns an order for an account."""
    return entry.PlaceOrderRequest(account_id=account)


BY_ACCOUNT: dict[str, Any] = {
    "PlaceOrder": place,
    "PlaceOrders": lambda account: entry.PlaceOrdersRequest(orders=[place("demo"), place(account)]),
    "PreviewOrder": lambda account: order_preview_pb2.PreviewOrderRequest(order=place(account)),
    "CancelAllOrders": lambda account: entry.CancelAllOrdersRequest(account_id=account),
    "PlaceOrderList": lambda account: order_list_pb2.PlaceOrderListRequest(orders=[place("demo"), place(account)]),
    "ListOrderLists": lambda account: order_list_pb2.ListOrderListsRequest(account_id=account),
    "ListOrders": lambda account: order_query_pb2.ListOrdersRequest(account_id=account),
    "ListTrades": lambda account: order_query_pb2.ListTradesRequest(account_id=account),
    "SummarizeTrades": lambda account: trade_query_pb2.SummarizeTradesRequest(account_id=account),
    "SummarizeExecutionQuality": lambda account: execution_quality_summary_pb2.SummarizeExecutionQualityRequest(
        account_id=account
    ),
    "StreamOrders": lambda account: order_stream_pb2.StreamOrdersRequest(account_id=account),
    "Trade": lambda account: [TradeRequest(open=TradeOpen(account_id=account))],
}
BY_ORDER: dict[str, Any] = {
    "CancelOrder": lambda order: entry.CancelOrderRequest(order_id=order),
    "ReplaceOrder": lambda order: entry.ReplaceOrderRequest(order_id=order),
    "GetOrder": lambda order: order_query_pb2.GetOrderRequest(order_id=order),
    "GetOrderHistory": lambda order: order_query_pb2.GetOrderHistoryRequest(order_id=order),
    "GetExecutionQuality": lambda order: execution_quality_pb2.GetExecutionQualityRequest(order_id=order),
    "ListTrades": lambda order: order_query_pb2.ListTradesRequest(order_id=order),
    "GetOrderList": lambda order: order_list_pb2.GetOrderListRequest(order_list_id=order),
    "CancelOrderList": lambda order: order_list_pb2.CancelOrderListRequest(order_list_id=order),
    "GetTrade": lambda order: trade_query_pb2.GetTradeRequest(trade_id=order),
}
OF_NO_ACCOUNT = {"ListReconciliations"}


def test_every_method_is_tried_here() -> None:
    """A method that is new in the contract must say which account its caller must reach."""
    methods = service_descriptor(SERVICE).methods_by_name
    assert BY_ACCOUNT.keys() | BY_ORDER.keys() | OF_NO_ACCOUNT == set(methods)
    with pytest.raises(LookupError, match="no rule says which account"):
        World().interceptor.check_of(Method(SERVICE, "Unheard", False, False, TradeRequest.DESCRIPTOR))


@pytest.mark.parametrize("name", BY_ACCOUNT)
async def test_calls_that_name_an_account(name: str) -> None:
    """Served for the account that the token names; refused for another, of the other world, and for all at once."""
    world = World(demo=SIMULATION, other=SIMULATION)
    assert await world.call(name, BY_ACCOUNT[name]("demo"))
    refused = ["other", "unheard", ""]
    for account in refused:
        with pytest.raises(CodedError) as failure:
            await world.call(name, BY_ACCOUNT[name](account))
        assert failure.value.reason == "PERMISSION_DENIED"
    with pytest.raises(CodedError, match="PERMISSION_DENIED"):
        await World(demo=LIVE).call(name, BY_ACCOUNT[name]("demo"))
    assert len(world.served) == 1


@pytest.mark.parametrize("name", BY_ORDER)
async def test_calls_that_name_an_order_or_a_list(name: str) -> None:
    """What is of another account is as unknown as what there is not."""
    world = World()
    assert await world.call(name, BY_ORDER[name](MINE))
    world.served.clear()
    with pytest.raises(CodedError) as failure:
        await world.call(name, BY_ORDER[name](THEIRS))
    assert failure.value.reason.startswith("UNKNOWN_")
    assert THEIRS in failure.value.message
    with pytest.raises(CodedError, match="UNKNOWN_"):
        await World(demo=LIVE).call(name, BY_ORDER[name](MINE))
    # What a fill is of is known by the answer alone.
    assert len(world.served) == (1 if name == "GetTrade" else 0)


async def test_who_oversees_sees_every_account_of_their_world() -> None:
    """Compliance reads the orders of all, and those of the other world not."""
    world, compliance = World(demo=SIMULATION, other=SIMULATION, real=LIVE), caller("compliance")
    await world.call("ListOrders", BY_ACCOUNT["ListOrders"]("other"), compliance)
    await world.call("GetOrder", BY_ORDER["GetOrder"](THEIRS), compliance)
    await world.call("ListReconciliations", reconciliation_pb2.ListReconciliationsRequest(), compliance)
    await world.call("SummarizeExecutionQuality", BY_ACCOUNT["SummarizeExecutionQuality"](""), compliance)
    for name, account in (("ListOrders", "real"), ("ListOrders", ""), ("SummarizeExecutionQuality", "real")):
        with pytest.raises(CodedError, match="PERMISSION_DENIED"):
            await world.call(name, BY_ACCOUNT[name](account), compliance)


async def test_a_stream_of_commands_begins_with_its_account() -> None:
    """What does not is left to the handler, which refuses it: it sees all that was sent."""
    world = World()
    await world.call("Trade", [TradeRequest()])
    await world.call("Trade", [])
    await world.call("Trade", [*BY_ACCOUNT["Trade"]("demo"), TradeRequest()])
    assert world.served == [[TradeRequest()], [], [*BY_ACCOUNT["Trade"]("demo"), TradeRequest()]]
