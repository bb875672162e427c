"""Each call at the shard of its account: what is served here, what is passed on, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from ordermesh.order.v1 import order_entry_pb2 as entry
from ordermesh.order.v1 import (
    order_list_pb2,
    order_pb2,
    order_preview_pb2,
    order_query_pb2,
    reconciliation_pb2,
    trade_query_pb2,
)
from ordermesh.order.v1.order_stream_pb2 import OrderUpdate, StreamOrdersRequest, StreamOrdersResponse
from ordermesh.order.v1.trade_stream_pb2 import TradeOpen, TradeRequest, TradeResponse, TradeUpdate
from ordermesh.type.v1 import stream_pb2
from services.kernel.errors import CodedError, invalid_field, precondition, unavailable
from services.kernel.shards import shard_of
from services.mesh.config import ConfigurationError
from services.mesh.descriptors import service_descriptor
from services.mesh.draining import Draining
from services.mesh.interceptors.base import Method, UnaryHandler
from services.mesh.status import from_status
from services.order.config import OrderSettings
from services.order.peers.shards import SERVICE
from services.order.pipeline.metrics import PASSED_ON as COUNTED
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.sharding import Shards
from services.order.servicer import sharding
from services.order.servicer.passing import PassedStreams
from services.order.servicer.sharding import PASSED_ON, ShardInterceptor, rule_of
from tests.fakes.clock import FakeClock
from tests.fakes.order_sharding import FakeCall, FakeOwners, FakePassed, FakeShards, each, method, read
from tests.fakes.order_shards import account_of
from tests.fakes.order_world import request

HERE, THERE = account_of(0), account_of(1)
ORDER_HERE, ORDER_THERE, ORDER_OF_NOBODY = (f"01890000-0000-7000-8000-00000000000{n}" for n in range(3))


class World:
    """An interceptor of shard 0 of 2, and what it served here."""

    def __init__(self, answer: Callable[[int, Any], Any] | None = None, *, count: int = 2) -> None:
        self.others = FakeShards(answer)
        self.registry, self.draining = CollectorRegistry(), Draining()
        self.interceptor = ShardInterceptor(
            Shards(0, count),
            FakeOwners({ORDER_HERE: 0, ORDER_THERE: 1}),
            self.others,
            PassedStreams(self.others, FakeClock(), self.draining),
            Metrics(self.registry),
        )
        self.served: list[Any] = []
        self.told_here: list[Any] = []

    def call(self, name: str, request: Any, answer: Any = None, *metadata: tuple[str, str]) -> Any:
        """Calls a method with one answer, which is answered so when it is served here."""

        async def handler(asked: Any, _context: Any) -> Any:
            self.served.append(asked)
            return answer(asked) if callable(answer) else answer

        wrapped: UnaryHandler = self.interceptor.wrap_unary(method(name), handler)
        context: Any = FakeCall(*metadata)
        return wrapped(request, context)

    def stream(self, name: str, requests: Any, *metadata: tuple[str, str]) -> Any:
        """Calls a method that answers with a stream; served here, it tells `told_here`."""

        async def handler(asked: Any, _context: Any) -> Any:
            self.served += [one async for one in asked] if name == "Trade" else [asked]
            for message in self.told_here:
                yield message

        context: Any = FakeCall(*metadata)
        return self.interceptor.wrap_stream(method(name), handler)(requests, context)


def named(name: str) -> entry.PlaceOrderResponse:
    """Returns an answer with a name to know it by."""
    return entry.PlaceOrderResponse(order=order_pb2.Order(order_id=name))


def results(batch: entry.PlaceOrdersRequest) -> entry.PlaceOrdersResponse:
    """Returns the answer to a batch: each order by its client order id."""
    orders = (order_pb2.Order(client_order_id=each.client_order_id) for each in batch.orders)
    return entry.PlaceOrdersResponse(results=[entry.PlaceOrderResult(order=order) for order in orders])


def test_a_shard_is_one_of_those_that_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone without a list; a number beyond it is refused before anything starts."""
    monkeypatch.setenv("ORDERMESH_POSTGRES_URL", "postgresql://x")
    monkeypatch.setenv("ORDERMESH_REDIS_URL", "redis://x")
    assert (OrderSettings.load().shard, OrderSettings.load().shard_count) == (0, 1)
    monkeypatch.setenv("ORDERMESH_ORDER_SHARD", "1")
    with pytest.raises(ConfigurationError, match="shard 1 is none of the 1"):
        OrderSettings.load()
    monkeypatch.setenv("ORDERMESH_ORDER_SHARD_ADDRESSES", "a:1, b:2")
    assert OrderSettings.load().shard_addresses == ("a:1", "b:2")
    monkeypatch.setenv("ORDERMESH_ORDER_SHARD_ADDRESSES", "a:1,b")
    with pytest.raises(ConfigurationError, match="ORDERMESH_ORDER_SHARD_ADDRESSES"):
        OrderSettings.load()


def test_every_method_has_a_rule() -> None:
    """A method that is new in the contract must be given one, or be found by its account or order."""
    for found in service_descriptor(SERVICE).methods:
        if not found.server_streaming:
            rule_of(method(found.name))
    with pytest.raises(LookupError, match="no rule says which shard serves"):
        rule_of(Method(SERVICE, "Unheard", False, False, TradeRequest.DESCRIPTOR))


async def test_a_call_is_served_where_its_account_is() -> None:
    """Ours here, another's there, with what the caller sent along and a mark, but nothing that is of one hop."""
    world = World(lambda *_: named("there"))
    assert (await world.call("PlaceOrder", request(account_id=HERE), named("here"))).order.order_id == "here"
    assert world.others.asked == []

    metadata = (("authorization", "Bearer x"), ("traceparent", "00-a-b-00"), ("grpc-accept-encoding", "gzip"))
    asked = request(account_id=THERE)
    assert (await world.call("PlaceOrder", asked, named("here"), *metadata)).order.order_id == "there"
    assert world.others.asked == [(1, "PlaceOrder", asked, (("authorization", "Bearer x"), (PASSED_ON, "0")))]
    assert world.registry.get_sample_value(COUNTED, {"shard": "1"}) == 1


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("PreviewOrder", order_preview_pb2.PreviewOrderRequest(order=request(account_id=THERE))),
        ("PlaceOrderList", order_list_pb2.PlaceOrderListRequest(orders=[request(account_id=THERE)] * 2)),
        ("GetOrderList", order_list_pb2.GetOrderListRequest(order_list_id=ORDER_THERE)),
        ("CancelOrderList", order_list_pb2.CancelOrderListRequest(order_list_id=ORDER_THERE.upper())),
        ("CancelAllOrders", entry.CancelAllOrdersRequest(account_id=THERE)),
        ("ListOrders", order_query_pb2.ListOrdersRequest(account_id=THERE)),
        ("SummarizeTrades", trade_query_pb2.SummarizeTradesRequest(account_id=THERE)),
        ("CancelOrder", entry.CancelOrderRequest(order_id=ORDER_THERE.upper())),
        ("ListTrades", order_query_pb2.ListTradesRequest(order_id=ORDER_THERE)),
        ("ReplaceOrder", entry.ReplaceOrderRequest(order_id=ORDER_THERE)),
        ("GetOrderHistory", order_query_pb2.GetOrderHistoryRequest(order_id=ORDER_THERE)),
    ],
)
async def test_what_names_an_account_or_an_order_goes_to_its_shard(name: str, asked: Any) -> None:
    """Wherever in the request it stands."""
    world = World(lambda *_: order_query_pb2.ListOrdersResponse(as_of=7))
    assert (await world.call(name, asked)).as_of == 7
    assert [shard for shard, *_ in world.others.asked] == [1]
    assert world.served == []


async def test_an_order_of_nobody_is_refused_here() -> None:
    """No other shard would know it either."""
    world = World()
    for order_id in (ORDER_HERE, ORDER_OF_NOBODY):
        await world.call("GetOrder", order_query_pb2.GetOrderRequest(order_id=order_id), named(""))
    assert [asked.order_id for asked in world.served] == [ORDER_HERE, ORDER_OF_NOBODY]


async def test_a_call_is_passed_on_once_at_most() -> None:
    """Shards that are told different things of one another say so, rather than send calls round."""
    world = World(lambda *_: named("there"))
    mark = (PASSED_ON, "1")
    assert (await world.call("PlaceOrder", request(account_id=HERE), named("here"), mark)).order.order_id == "here"
    with pytest.raises(CodedError, match="SHARD_MISMATCH"):
        await world.call("PlaceOrder", request(account_id=THERE), named("here"), mark)
    with pytest.raises(CodedError, match="SHARD_MISMATCH"):
        await world.call("GetOrder", order_query_pb2.GetOrderRequest(order_id=ORDER_THERE), named(""), mark)
    with pytest.raises(CodedError, match="SHARD_MISMATCH"):
        await read(world.stream("Trade", each([TradeRequest(open=TradeOpen(account_id=THERE))]), mark), TradeResponse)
    assert world.others.asked == []


async def test_what_a_shard_fails_with_is_told_as_it_is() -> None:
    """The error is not wrapped."""
    refusal = precondition("RISK_LIMIT_EXCEEDED", "too much", order_id="x")

    def refuse(*_: object) -> Any:
        raise refusal

    with pytest.raises(CodedError) as caught:
        await World(refuse).call("PlaceOrder", request(account_id=THERE))
    assert caught.value is refusal


@settings(max_examples=60)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(2, 4))
async def test_a_batch_is_split_and_its_results_stand_in_its_order(accounts: list[int], count: int) -> None:
    """Each shard gets its orders, in their order; each result stands where its order stood."""
    world = World(lambda _, batch: results(batch), count=count)
    orders = [request(f"c{index}", account_id=f"acct-{number}") for index, number in enumerate(accounts)]
    answer = await world.call("PlaceOrders", entry.PlaceOrdersRequest(orders=orders), results)
    assert [result.order.client_order_id for result in answer.results] == [order.client_order_id for order in orders]

    batches = [(shard, batch) for shard, _, batch, _ in world.others.asked] + [(0, batch) for batch in world.served]
    assert len(batches) == len({shard for shard, _ in batches})
    for shard, batch in batches:
        owned = [order for order in orders if shard_of(order.account_id, count) == shard]
        assert list(batch.orders) == owned


async def test_a_shard_that_fails_fails_its_orders_of_a_batch_alone() -> None:
    """The others are placed, and told so; a batch that is all of one shard fails as the shard says."""

    def away(*_: object) -> Any:
        raise unavailable("SERVICE_UNAVAILABLE", "away")

    world = World(away)
    orders = [request("a", account_id=THERE), request("b", account_id=HERE), request("c", account_id=THERE)]
    answer = await world.call("PlaceOrders", entry.PlaceOrdersRequest(orders=orders), results)
    assert [result.WhichOneof("outcome") for result in answer.results] == ["error", "order", "error"]
    assert from_status(answer.results[2].error).reason == "SERVICE_UNAVAILABLE"
    with pytest.raises(CodedError, match="SERVICE_UNAVAILABLE"):
        await world.call("PlaceOrders", entry.PlaceOrdersRequest(orders=orders[:1]), results)


async def test_as_of_is_told_only_where_one_log_stands_behind_the_answer() -> None:
    """A list of all accounts has none; a fill of another shard goes as far as the fill itself."""
    world = World()
    listed = await world.call(
        "ListTrades", order_query_pb2.ListTradesRequest(), order_query_pb2.ListTradesResponse(as_of=9)
    )
    assert listed.as_of == 0
    for account_id, expected in ((HERE, 9), (THERE, 4)):
        trade = order_pb2.Trade(account_id=account_id, sequence=4)
        told = trade_query_pb2.GetTradeResponse(trade=trade, as_of=9)
        assert (await world.call("GetTrade", trade_query_pb2.GetTradeRequest(), told)).as_of == expected


async def test_records_that_wait_are_counted_at_every_shard_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not answer does not keep an operator from the list; one that is asked by another counts its own."""

    def answer(shard: int, _request: Any) -> Any:
        if shard == 2:
            raise unavailable("SERVICE_UNAVAILABLE", "away")
        return reconciliation_pb2.ListReconciliationsResponse(waiting=4)

    monkeypatch.setattr(sharding, "_PATIENCE_SECONDS", 0.01)
    world = World(answer, count=4)
    world.others.silent.add(3)
    asked = reconciliation_pb2.ListReconciliationsRequest()
    own = lambda _: reconciliation_pb2.ListReconciliationsResponse(waiting=1)  # noqa: E731 - a new one for each call
    assert (await world.call("ListReconciliations", asked, own)).waiting == 5
    assert (await world.call("ListReconciliations", asked, own, (PASSED_ON, "1"))).waiting == 1


async def test_streams_of_this_shard_are_served_here() -> None:
    """All that the caller sends is there, the first message too, also when it is none that opens a stream."""
    world = World()
    world.told_here = [StreamOrdersResponse(heartbeat=stream_pb2.Heartbeat(sequence=3))]
    stream = world.stream("StreamOrders", StreamOrdersRequest(account_id=HERE))
    assert await read(stream, StreamOrdersResponse) == world.told_here
    world.told_here = [TradeResponse(sequence=1)]
    for messages in ([TradeRequest(open=TradeOpen(account_id=HERE)), TradeRequest()], [TradeRequest()], []):
        world.served.clear()
        assert await read(world.stream("Trade", each(messages)), TradeResponse) == world.told_here
        assert world.served == messages
    assert world.others.asked == []


async def test_streams_of_another_shard_are_handed_through() -> None:
    """Its messages as they are, and what the caller sends to it."""
    world = World()
    told = [TradeResponse(sequence=1, subscribed=stream_pb2.Subscribed(sequence=5)), TradeResponse(sequence=2)]
    world.others.passed = FakePassed(told)
    sent = [TradeRequest(open=TradeOpen(account_id=THERE)), TradeRequest()]
    assert await read(world.stream("Trade", each(sent)), TradeResponse) == told
    assert [message async for message in world.others.requests] == sent
    assert world.others.passed.cancelled


async def test_a_message_that_breaks_the_contract_is_told_when_what_came_before_is_answered() -> None:
    """One that breaks it goes to the shard in its place, so that the stream ends there as it should."""
    world = World()
    broken = invalid_field("commands.sequence", "must be at least 1")
    world.others.passed = FakePassed([TradeResponse(sequence=1)], invalid_field("item", "must be given"))
    stream = world.stream("Trade", each([TradeRequest(open=TradeOpen(account_id=THERE))], broken))
    answers = [await anext(stream)]
    assert [message async for message in world.others.requests][1:] == [TradeRequest()]
    with pytest.raises(CodedError) as caught:
        answers.append(await anext(stream))
    assert caught.value is broken
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("told", "token"),
    [
        ([], "old"),
        ([TradeResponse(sequence=3, subscribed=stream_pb2.Subscribed())], "old"),
        ([TradeResponse(sequence=3, update=TradeUpdate(resume_token="new"))], "new"),
        ([TradeResponse(sequence=3, heartbeat=stream_pb2.Heartbeat(resume_token="new"))], "new"),
    ],
)
async def test_a_caller_is_sent_away_when_this_shard_drains(told: list[TradeResponse], token: str) -> None:
    """With the newest token that it was told, or the one that it came with, and the next number."""
    world = World()
    world.others.passed = FakePassed(told)
    world.others.passed.at_end = world.draining.begin
    opening = TradeRequest(open=TradeOpen(account_id=THERE, resume_token="old"))
    *_, last = await read(world.stream("Trade", each([opening])), TradeResponse)
    assert (last.going_away.reason, last.going_away.resume_token) == (stream_pb2.GOING_AWAY_REASON_DRAINING, token)
    assert last.sequence == (4 if told else 1)


async def test_what_the_shard_says_last_stays_the_last() -> None:
    """When both drain, the caller is told once."""
    world = World()
    away = stream_pb2.GoingAway(reason=stream_pb2.GOING_AWAY_REASON_SLOW_READER, resume_token="t")
    told = [
        StreamOrdersResponse(update=OrderUpdate(resume_token="t")),
        StreamOrdersResponse(going_away=away),
    ]
    world.others.passed = FakePassed(told)
    world.others.passed.at_end = world.draining.begin
    stream = world.stream("StreamOrders", StreamOrdersRequest(account_id=THERE))
    assert await read(stream, StreamOrdersResponse) == told
