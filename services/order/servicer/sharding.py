"""Sees to it that each call is served by the shard that owns its account, wherever it comes in.

An interceptor, innermost: what it lets through is served here, the rest by another shard, whose answer or error is
handed on as it is. A call is passed on once at most. Where there is one shard, there is no such interceptor.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from ordermesh.order.v1.order_entry_pb2 import PlaceOrderResult, PlaceOrdersRequest, PlaceOrdersResponse
from ordermesh.order.v1.reconciliation_pb2 import ListReconciliationsRequest
from services.kernel.errors import CodedError
from services.mesh.interceptors.base import Context, Method, StreamHandler, UnaryHandler
from services.mesh.status import to_status
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.sharding import Metadata, OtherShards, Owners, Shards, mismatch
from services.order.servicer.passing import PassedStreams

PASSED_ON: Final = "x-ordermesh-passed-on"
"""Metadata of a call that a shard has passed on; its value is that shard."""

_OF_THE_HOP: Final = frozenset({"content-type", "te", "traceparent", "user-agent"})
"""Metadata that each hop has of its own. What a user shows is not of them: who passes a call on acts for that user."""

_PATIENCE_SECONDS: Final = 1.0
"""How long a list that has all it needs waits for what another shard may add."""

Rule = Callable[["ShardInterceptor", Method, UnaryHandler], UnaryHandler]


class ShardInterceptor:
    """Stands around the methods of OrderService."""

    def __init__(
        self, shards: Shards, owners: Owners, others: OtherShards, streams: PassedStreams, metrics: Metrics
    ) -> None:
        self._shards, self._owners, self._others = shards, owners, others
        self._streams, self._metrics = streams, metrics

    def wrap_unary(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Serves here or passes on, by the rule of the method."""
        return rule_of(method)(self, method, handler)

    def wrap_stream(self, method: Method, handler: StreamHandler) -> StreamHandler:
        """Serves here or passes on, by the account of the request, or of the first of them."""
        if not method.request_streaming:

            def handle(request: Any, context: Context) -> AsyncIterator[Any]:
                owner = self._shards.owner(request.account_id)
                if owner == self._shards.own:
                    return handler(request, context)
                return self._streams.orders(owner, request, self._pass_on(owner, context))

            return handle

        async def handle_many(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            first = await anext(requests, None)
            owner = self._shards.own if first is None else self._shards.owner(first.open.account_id)
            if first is None or owner == self._shards.own:
                messages = handler(_again(first, requests), context)
            else:
                messages = self._streams.trade(owner, first, requests, self._pass_on(owner, context))
            async for message in messages:
                yield message

        return handle_many

    def by_account(self, method: Method, handler: UnaryHandler, account_of: Callable[[Any], str]) -> UnaryHandler:
        """Serves where the account is; here what names none: no sequence of one log tells how far that goes."""

        async def handle(request: Any, context: Context) -> Any:
            account_id = account_of(request)
            answer = await self._answer(self._shards.owner(account_id), method, handler, request, context)
            if not account_id and "as_of" in answer.DESCRIPTOR.fields_by_name:
                answer.as_of = 0
            return answer

        return handle

    def by_order(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Serves where the order is; here what names no order that there is."""

        async def handle(request: Any, context: Context) -> Any:
            owner = await self._owners.shard_of_order(request.order_id.lower())
            return await self._answer(self._shards.own if owner is None else owner, method, handler, request, context)

        return handle

    def by_list(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Serves where the list of orders is; here what names no list that there is."""

        async def handle(request: Any, context: Context) -> Any:
            owner = await self._owners.shard_of_list(request.order_list_id.lower())
            return await self._answer(self._shards.own if owner is None else owner, method, handler, request, context)

        return handle

    def by_account_or_order(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Serves where the account is, or, without one, the order."""
        of_account = self.by_account(method, handler, lambda request: str(request.account_id))
        of_order = self.by_order(method, handler)

        def handle(request: Any, context: Context) -> Awaitable[Any]:
            by_order = request.order_id and not request.account_id
            return of_order(request, context) if by_order else of_account(request, context)

        return handle

    def by_each_account(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Places the orders of a batch where their accounts are, and puts the results together in their order."""

        async def handle(request: PlaceOrdersRequest, context: Context) -> Any:
            parts: dict[int, list[int]] = {}
            for index, order in enumerate(request.orders):
                parts.setdefault(self._shards.owner(order.account_id), []).append(index)
            if len(parts) == 1:
                return await self._answer(next(iter(parts)), method, handler, request, context)

            async def place(shard: int, indexes: Sequence[int]) -> Sequence[PlaceOrderResult]:
                part = PlaceOrdersRequest(orders=[request.orders[index] for index in indexes])
                try:
                    return (await self._answer(shard, method, handler, part, context)).results  # type: ignore[no-any-return]  # a handler's answer is Any
                except CodedError as error:
                    # What the other shards did stands: each order is told what became of it.
                    return [PlaceOrderResult(error=to_status(error))] * len(indexes)

            answers = await asyncio.gather(*(place(*part) for part in parts.items()))
            return PlaceOrdersResponse(results=_merged(parts, answers))

        return handle

    def of_trade(self, _method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Tells a fill out of the table that all shards share. Another's log is known to go as far as the fill."""

        async def handle(request: Any, context: Context) -> Any:
            answer = await handler(request, context)
            if self._shards.owner(answer.trade.account_id) != self._shards.own:
                answer.as_of = answer.trade.sequence
            return answer

        return handle

    def of_all(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Lists the records of all shards, which share a table, and counts what waits at each that answers."""

        async def waiting(shard: int, metadata: Metadata) -> int:
            asked = ListReconciliationsRequest(page_size=1)
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    return int((await self._others.ask(shard, method.name, asked, metadata)).waiting)
            except (CodedError, TimeoutError):
                return 0

        async def handle(request: Any, context: Context) -> Any:
            answer = await handler(request, context)
            if _passed_on_by(context) is None:
                metadata = self._metadata(context)
                others = (shard for shard in range(self._shards.count) if shard != self._shards.own)
                answer.waiting += sum(await asyncio.gather(*(waiting(shard, metadata) for shard in others)))
            return answer

        return handle

    def _answer(
        self, shard: int, method: Method, handler: UnaryHandler, request: Any, context: Context
    ) -> Awaitable[Any]:
        if shard == self._shards.own:
            return handler(request, context)
        return self._others.ask(shard, method.name, request, self._pass_on(shard, context))

    def _pass_on(self, shard: int, context: Context) -> Metadata:
        """Returns the metadata of a call that is passed on.

        Raises:
            CodedError: SHARD_MISMATCH, when it was passed on before.
        """
        if _passed_on_by(context) is not None:
            raise mismatch(self._shards.own, shard)
        self._metrics.passed_on(shard)
        return self._metadata(context)

    def _metadata(self, context: Context) -> Metadata:
        return (*filter(_is_of_the_call, context.invocation_metadata() or ()), (PASSED_ON, str(self._shards.own)))


RULES: Final[Mapping[str, Rule]] = {
    "PlaceOrders": ShardInterceptor.by_each_account,
    "PreviewOrder": lambda self, method, handler: self.by_account(method, handler, lambda r: str(r.order.account_id)),
    # All of one account, or it is refused wherever it comes.
    "PlaceOrderList": lambda self, method, handler: self.by_account(
        method, handler, lambda request: str(request.orders[0].account_id)
    ),
    "GetOrderList": ShardInterceptor.by_list,
    "CancelOrderList": ShardInterceptor.by_list,
    "GetTrade": ShardInterceptor.of_trade,
    "ListReconciliations": ShardInterceptor.of_all,
}
"""Methods whose request does not say at its top whose it is."""


def rule_of(method: Method) -> Rule:
    """Returns how a method with one answer finds its shard.

    Raises:
        LookupError: Nothing says how: a new method needs a rule.
    """
    if (rule := RULES.get(method.name)) is not None:
        return rule
    fields = method.request_type.fields_by_name if method.request_type is not None else {}
    match "account_id" in fields, "order_id" in fields:
        case True, True:
            return ShardInterceptor.by_account_or_order
        case True, False:
            return lambda self, method, handler: self.by_account(method, handler, lambda r: str(r.account_id))
        case False, True:
            return ShardInterceptor.by_order
    raise LookupError(f"no rule says which shard serves {method.path}")


def _merged(
    parts: Mapping[int, Sequence[int]], answers: Sequence[Sequence[PlaceOrderResult]]
) -> Sequence[PlaceOrderResult]:
    by_index = {
        index: result
        for indexes, results in zip(parts.values(), answers, strict=True)
        for index, result in zip(indexes, results, strict=True)
    }
    return [by_index[index] for index in sorted(by_index)]


def _passed_on_by(context: Context) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == PASSED_ON:
            return str(value)
    return None


def _is_of_the_call(item: tuple[str, str | bytes]) -> bool:
    key = item[0]
    return key not in _OF_THE_HOP and not key.startswith(("grpc-", ":"))


async def _again(first: Any, rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    if first is not None:
        yield first
    async for request in rest:
        yield request
