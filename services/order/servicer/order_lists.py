"""PlaceOrderList, GetOrderList, ListOrderLists, CancelOrderList."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ordermesh.order.v1 import order_list_pb2
from services.kernel.clock import Clock
from services.kernel.identifiers import Identifiers
from services.mesh.tokens import PageTokens, filters_of
from services.order.domain.order import Order
from services.order.domain.order_lists import ContingencyType, ListRecord, OrderList
from services.order.pipeline.list_placing import OrderLists
from services.order.pipeline.orders import Orders
from services.order.pipeline.replacing import RefusedByRiskError
from services.order.servicer.messages import page_size, refused_by_risk, terms_of
from services.order.wire import order_message, timestamp


class ListPages(Protocol):
    """Pages of lists. Each method raises STORE_UNAVAILABLE."""

    async def page(
        self, account_id: str, client_order_list_id: str, before: str | None, limit: int
    ) -> Sequence[ListRecord]:
        """Returns lists, newest first, older than the one with the id `before`; empty ids mean any."""
        ...

    async def orders(self, order_list_ids: Sequence[str]) -> Mapping[str, Sequence[Order]]:
        """Returns the orders of lists, in the order in which they were given."""
        ...


class OrderListMethods:
    """The methods of OrderService for orders that depend on each other."""

    _orders: Orders
    _order_lists: OrderLists
    _list_pages: ListPages
    _clock: Clock
    _identifiers: Identifiers

    async def PlaceOrderList(
        self, request: order_list_pb2.PlaceOrderListRequest, context: Any
    ) -> order_list_pb2.PlaceOrderListResponse:
        """Places orders that depend on each other."""
        placed = await place_list(self._order_lists, request, self._identifiers, self._clock)
        return order_list_pb2.PlaceOrderListResponse(order_list=list_message(placed))

    async def GetOrderList(
        self, request: order_list_pb2.GetOrderListRequest, context: Any
    ) -> order_list_pb2.GetOrderListResponse:
        """Tells one list and its orders."""
        as_of = self._orders.as_of
        told = await self._order_lists.get(request.order_list_id.lower())
        return order_list_pb2.GetOrderListResponse(order_list=list_message(told), as_of=as_of)

    async def ListOrderLists(
        self, request: order_list_pb2.ListOrderListsRequest, context: Any
    ) -> order_list_pb2.ListOrderListsResponse:
        """Lists lists, newest first."""
        size, tokens = page_size(request.page_size), PageTokens(filters_of(request))
        position = tokens.read(request.page_token)
        as_of = self._orders.as_of
        before = position[0] if position else None
        records = await self._list_pages.page(request.account_id, request.client_order_list_id, before, size + 1)
        orders = await self._list_pages.orders([record.order_list_id for record in records[:size]])
        return order_list_pb2.ListOrderListsResponse(
            order_lists=(list_message(OrderList(each, orders.get(each.order_list_id, ()))) for each in records[:size]),
            next_page_token=tokens.make(records[size - 1].order_list_id) if len(records) > size else "",
            as_of=as_of,
        )

    async def CancelOrderList(
        self, request: order_list_pb2.CancelOrderListRequest, context: Any
    ) -> order_list_pb2.CancelOrderListResponse:
        """Asks for the cancel of every live order of a list."""
        told = await self._order_lists.cancel(request.order_list_id.lower())
        return order_list_pb2.CancelOrderListResponse(order_list=list_message(told))


async def place_list(
    lists: OrderLists, request: order_list_pb2.PlaceOrderListRequest, identifiers: Identifiers, clock: Clock
) -> OrderList:
    """Places what a request asks for.

    Raises:
        CodedError: The list was refused.
    """
    now_ns = clock.now_ns()
    orders = [terms_of(each, identifiers.new_id(), now_ns) for each in request.orders]
    record = ListRecord(
        identifiers.new_id(),
        request.client_order_list_id,
        orders[0].account_id,
        ContingencyType(request.contingency_type),
    )
    try:
        return await lists.place(record, orders)
    except RefusedByRiskError as refused:
        raise refused_by_risk(refused.decision) from None


def list_message(told: OrderList) -> order_list_pb2.OrderList:
    """Returns the message of a list."""
    record = told.record
    return order_list_pb2.OrderList(
        order_list_id=record.order_list_id,
        client_order_list_id=record.client_order_list_id,
        account_id=record.account_id,
        contingency_type=order_list_pb2.ContingencyType.ValueType(record.contingency_type),
        orders=map(order_message, told.orders),
        live=told.live,
        created_at=timestamp(record.created_at_ns),
    )
