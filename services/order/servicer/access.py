"""Sees to it that callers reach the accounts whose orders they ask for, or act on.

An interceptor, innermost: each call is looked at where it is served, by the shard that has the account. Where access is
not enforced there is no such interceptor, and it costs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from services.mesh.access.accounts import AccountAccess
from services.mesh.interceptors.base import Context, Method, StreamHandler, UnaryHandler
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


Check = Callable[["AccountInterceptor", Any], Awaitable[None]]
"""Refuses a request whose account the caller does not reach."""


class AccountInterceptor:
    """Stands around the methods of OrderService. What a caller does not reach is as unknown as what there is not."""

    def __init__(self, accounts: AccountAccess, orders: KnownOrders, lists: KnownLists) -> None:
        self._accounts, self._orders, self._lists = accounts, orders, lists

    def wrap_unary(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Looks at the account of the request, by the rule of the method, or at that of the answer."""
        if method.name == "GetTrade":
            return self._of_trade(handler)
        check = check_of(method)

        async def handle(request: Any, context: Context) -> Any:
            await check(self, request)
            return await handler(request, context)

        return handle

    def wrap_stream(self, method: Method, handler: StreamHandler) -> StreamHandler:
        """Looks at the account of the request, or of the first of them: all of a stream is of one account."""
        if not method.request_streaming:
            check = check_of(method)

            async def handle(request: Any, context: Context) -> AsyncIterator[Any]:
                await check(self, request)
                async for message in handler(request, context):
                    yield message

            return handle

        async def handle_many(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            first = await anext(requests, None)
            # A stream that does not begin with `open` is refused by its handler, before anything of it is done.
            if first is not None and first.HasField("open"):
                await self._accounts.require(first.open.account_id)
            async for message in handler(_again(first, requests), context):
                yield message

        return handle_many

    async def by_account(self, request: Any) -> None:
        """Looks at the account that the request names."""
        await self._accounts.require(request.account_id)

    async def by_order(self, request: Any) -> None:
        """Looks at the account of the order."""
        order_id = request.order_id.lower()
        order, _ = await self._orders.get(order_id)
        if not await self._accounts.reaches(order.terms.account_id):
            raise refusals.unknown_order(order_id)

    async def by_account_or_order(self, request: Any) -> None:
        """Looks at the account that the request names, else at that of the order."""
        await (self.by_order if request.order_id and not request.account_id else self.by_account)(request)

    async def by_list(self, request: Any) -> None:
        """Looks at the account of the list of orders."""
        list_id = request.order_list_id.lower()
        told = await self._lists.get(list_id)
        if not await self._accounts.reaches(told.record.account_id):
            raise refusals.unknown_list(list_id)

    async def by_orders(self, request: Any) -> None:
        """Looks at the accounts of all orders of a batch: who does not reach one of them places none."""
        await self._accounts.require(*{order.account_id for order in request.orders})

    async def by_previewed(self, request: Any) -> None:
        """Looks at the account of an order that is not placed."""
        await self._accounts.require(request.order.account_id)

    async def by_role(self, _request: Any) -> None:
        """Looks at nothing: what is asked for is of no account, and the contract says which roles may ask."""

    def _of_trade(self, handler: UnaryHandler) -> UnaryHandler:
        async def handle(request: Any, context: Context) -> Any:
            answer = await handler(request, context)
            if not await self._accounts.reaches(answer.trade.account_id):
                raise refusals.unknown_trade(request.trade_id.lower())
            return answer

        return handle


CHECKS: Final[Mapping[str, Check]] = {
    "PlaceOrders": AccountInterceptor.by_orders,
    "PlaceOrderList": AccountInterceptor.by_orders,
    "PreviewOrder": AccountInterceptor.by_previewed,
    "GetOrderList": AccountInterceptor.by_list,
    "CancelOrderList": AccountInterceptor.by_list,
    "ListReconciliations": AccountInterceptor.by_role,
}
"""Methods whose request does not say at its top whose it is."""


def check_of(method: Method) -> Check:
    """Returns how a method finds the account that its caller must reach.

    Raises:
        LookupError: Nothing says how: a new method needs a rule.
    """
    if (check := CHECKS.get(method.name)) is not None:
        return check
    fields = method.request_type.fields_by_name if method.request_type is not None else {}
    match "account_id" in fields, "order_id" in fields:
        case True, True:
            return AccountInterceptor.by_account_or_order
        case True, False:
            return AccountInterceptor.by_account
        case False, True:
            return AccountInterceptor.by_order
    raise LookupError(f"no rule says which account a caller of {method.path} must reach")


async def _again(first: Any, rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    if first is not None:
        yield first
    async for request in rest:
        yield request
