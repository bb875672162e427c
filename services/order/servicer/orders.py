"""OrderService."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from ordermesh.order.v1 import (
    order_entry_pb2,
    order_query_pb2,
    order_service_pb2_grpc,
    order_stream_pb2,
    trade_stream_pb2,
)
from services.kernel.clock import Clock
from services.kernel.identifiers import Identifiers
from services.mesh.context import current_call
from services.mesh.tokens import PageTokens, filters_of
from services.order.pipeline.judging import Judging
from services.order.pipeline.list_placing import OrderLists
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.orders import Orders
from services.order.pipeline.placing import Placing
from services.order.pipeline.previewing import Previewing
from services.order.pipeline.quality_summaries import QualitySummaries
from services.order.pipeline.queries import Lists
from services.order.pipeline.reconciliations import Reconciliations
from services.order.pipeline.replacing import Replacing
from services.order.servicer.execution_quality import ExecutionQualityMethods
from services.order.servicer.history import told_to
from services.order.servicer.messages import (
    cancel_filter,
    order_filter,
    page_size,
    placed,
    result,
    terms_of,
)
from services.order.servicer.order_lists import ListPages, OrderListMethods
from services.order.servicer.previews import PreviewMethods
from services.order.servicer.reconciliations import ReconciliationMethods
from services.order.servicer.replaces import replace
from services.order.servicer.streams import OrderStreams
from services.order.servicer.trade_stream import TradeStreams
from services.order.servicer.trades import TradeMethods
from services.order.wire import order_message


class OrderServicer(
    TradeMethods,
    PreviewMethods,
    OrderListMethods,
    ReconciliationMethods,
    ExecutionQualityMethods,
    order_service_pb2_grpc.OrderServiceServicer,
):
    """Serves callers."""

    def __init__(
        self,
        placing: Placing,
        replacing: Replacing,
        orders: Orders,
        lists: Lists,
        streams: OrderStreams,
        trades: TradeStreams,
        *,
        order_lists: OrderLists,
        list_pages: ListPages,
        previewing: Previewing,
        reconciliations: Reconciliations,
        judging: Judging,
        quality_summaries: QualitySummaries,
        clock: Clock,
        identifiers: Identifiers,
        metrics: Metrics,
    ) -> None:
        self._placing, self._replacing = placing, replacing
        self._orders, self._lists = orders, lists
        self._streams, self._trades = streams, trades
        self._order_lists, self._list_pages = order_lists, list_pages
        self._previewing, self._reconciliations = previewing, reconciliations
        self._judging, self._quality_summaries = judging, quality_summaries
        self._clock, self._identifiers, self._metrics = clock, identifiers, metrics

    async def PlaceOrder(
        self, request: order_entry_pb2.PlaceOrderRequest, context: Any
    ) -> order_entry_pb2.PlaceOrderResponse:
        """Places one order."""
        started = time.perf_counter()
        terms = terms_of(request, self._identifiers.new_id(), self._clock.now_ns())
        (outcome,) = await self._placing.place((terms,))
        response = placed(outcome)
        self._metrics.acknowledged(time.perf_counter() - started)
        return response

    async def PlaceOrders(
        self, request: order_entry_pb2.PlaceOrdersRequest, context: Any
    ) -> order_entry_pb2.PlaceOrdersResponse:
        """Places several orders, each for itself."""
        started = time.perf_counter()
        # Under overload a batch that is turned away should cost no more than reading it.
        self._placing.check_room(len(request.orders))
        new_id, now_ns = self._identifiers.new_id, self._clock.now_ns()
        terms = [terms_of(each, new_id(), now_ns) for each in request.orders]
        outcomes = await self._placing.place(terms)
        response = order_entry_pb2.PlaceOrdersResponse(results=map(result, outcomes))
        self._metrics.acknowledged(time.perf_counter() - started)
        return response

    async def CancelOrder(
        self, request: order_entry_pb2.CancelOrderRequest, context: Any
    ) -> order_entry_pb2.CancelOrderResponse:
        """Asks the venue to cancel an order."""
        order = await self._orders.cancel(request.order_id.lower())
        return order_entry_pb2.CancelOrderResponse(order=order_message(order))

    async def ReplaceOrder(
        self, request: order_entry_pb2.ReplaceOrderRequest, context: Any
    ) -> order_entry_pb2.ReplaceOrderResponse:
        """Asks the venue for new terms of an order."""
        order = await replace(self._replacing, request)
        return order_entry_pb2.ReplaceOrderResponse(order=order_message(order))

    async def CancelAllOrders(
        self, request: order_entry_pb2.CancelAllOrdersRequest, context: Any
    ) -> order_entry_pb2.CancelAllOrdersResponse:
        """Asks for the cancel of an account's live orders."""
        order_ids = await self._orders.cancel_all(cancel_filter(request))
        return order_entry_pb2.CancelAllOrdersResponse(count=len(order_ids), order_ids=order_ids)

    async def GetOrder(
        self, request: order_query_pb2.GetOrderRequest, context: Any
    ) -> order_query_pb2.GetOrderResponse:
        """Tells one order."""
        order, as_of = await self._orders.get(request.order_id.lower())
        return order_query_pb2.GetOrderResponse(order=order_message(order), as_of=as_of)

    async def ListOrders(
        self, request: order_query_pb2.ListOrdersRequest, context: Any
    ) -> order_query_pb2.ListOrdersResponse:
        """Lists orders, newest first."""
        size, tokens = page_size(request.page_size), PageTokens(filters_of(request))
        position = tokens.read(request.page_token)
        as_of = self._orders.as_of
        orders = await self._lists.orders(order_filter(request), position[0] if position else None, size + 1)
        return order_query_pb2.ListOrdersResponse(
            orders=map(order_message, orders[:size]),
            next_page_token=tokens.make(orders[size - 1].terms.order_id) if len(orders) > size else "",
            as_of=as_of,
        )

    async def GetOrderHistory(
        self, request: order_query_pb2.GetOrderHistoryRequest, context: Any
    ) -> order_query_pb2.GetOrderHistoryResponse:
        """Lists what happened to one order, oldest first."""
        size, tokens = page_size(request.page_size), PageTokens(filters_of(request))
        position = tokens.read(request.page_token)
        _, as_of = await self._orders.get(request.order_id.lower())
        rows = await self._lists.history(request.order_id, int(position[0]) if position else 0, size + 1)
        return order_query_pb2.GetOrderHistoryResponse(
            reports=told_to(current_call(), rows[:size]),
            next_page_token=tokens.make(str(rows[size - 1].sequence)) if len(rows) > size else "",
            as_of=as_of,
        )

    async def StreamOrders(  # type: ignore[override]  # the server sends bytes as they are
        self, request: order_stream_pb2.StreamOrdersRequest, context: Any
    ) -> AsyncIterator[order_stream_pb2.StreamOrdersResponse | bytes]:
        """Streams an account's orders."""
        async for message in self._streams.stream(request):
            yield message

    async def Trade(  # type: ignore[override]  # the server sends bytes as they are
        self, request_iterator: AsyncIterator[trade_stream_pb2.TradeRequest], context: Any
    ) -> AsyncIterator[bytes]:
        """Takes commands for an account and streams what becomes of them."""
        async for message in self._trades.trade(request_iterator):
            yield message
