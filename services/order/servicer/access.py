"""Whose orders a caller reaches. What somebody does not reach is as unknown as what there is not."""

from __future__ import annotations

from typing import Any, Protocol

from services.mesh.access.accounts import AccountAccess, require_everybodys
from services.mesh.interceptors.accounts import AccountInterceptor, of_no_account
from services.order.domain import refusals
from services.order.domain.order import Order
from services.order.domain.order_lists import OrderList


class KnownOrders(Protocol):
    """Orders by their ids."""

    async def get(self, order_id: str) -> tuple[Order, int]:
        """Returns an order.

        Raises:
            CodedError: UNKNOWN_ORDER or STORE_UNAVAILABLE.
        """
        ...


class KnownLists(Protocol):
    """Lists of orders by their ids."""

    async def get(self, order_list_id: str) -> OrderList:
        """Returns a list.

        Raises:
            CodedError: UNKNOWN_ORDER_LIST or STORE_UNAVAILABLE.
        """
        ...


def account_interceptor(accounts: AccountAccess, orders: KnownOrders, lists: KnownLists) -> AccountInterceptor:
    """Returns what stands around the methods of OrderService, where they are served: by the shard of the account."""
    of = _Checks(accounts, orders, lists)
    return AccountInterceptor(
        accounts,
        {
            "PlaceOrders": of.orders,
            "PlaceOrderList": of.orders,
            "PreviewOrder": of.previewed,
            "CancelOrder": of.order,
            "ReplaceOrder": of.order,
            "GetOrder": of.order,
            "GetOrderHistory": of.order,
            "GetExecutionQuality": of.order,
            "ListTrades": of.account_or_order,
            "SummarizeExecutionQuality": of.account_or_all,
            "GetOrderList": of.list,
            "CancelOrderList": of.list,
            "ListReconciliations": of_no_account,
        },
        {"GetTrade": of.trade},
    )


class _Checks:
    """What looks at requests that do not say at their top whose they are."""

    def __init__(self, accounts: AccountAccess, orders: KnownOrders, lists: KnownLists) -> None:
        self._accounts, self._orders, self._lists = accounts, orders, lists

    async def order(self, request: Any) -> None:
        order_id = request.order_id.lower()
        order, _ = await self._orders.get(order_id)
        if not await self._accounts.reaches(order.terms.account_id):
            raise refusals.unknown_order(order_id)

    async def account_or_order(self, request: Any) -> None:
        if request.order_id and not request.account_id:
            await self.order(request)
        else:
            await self._accounts.require(request.account_id)

    async def account_or_all(self, request: Any) -> None:
        # Without an account it is of all of the caller's environment.
        if request.account_id:
            await self._accounts.require(request.account_id)
        else:
            require_everybodys()

    async def list(self, request: Any) -> None:
        list_id = request.order_list_id.lower()
        told = await self._lists.get(list_id)
        if not await self._accounts.reaches(told.record.account_id):
            raise refusals.unknown_list(list_id)

    async def orders(self, request: Any) -> None:
        # Who does not reach one of the accounts places none.
        await self._accounts.require(*{order.account_id for order in request.orders})

    async def previewed(self, request: Any) -> None:
        await self._accounts.require(request.order.account_id)

    async def trade(self, request: Any, answer: Any) -> None:
        if not await self._accounts.reaches(answer.trade.account_id):
            raise refusals.unknown_trade(request.trade_id.lower())
