"""Streams through the gateway whose tokens end: announced, ended, resumed, and, on Trade, gone on by another one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import httpx
import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh
from gateway.tables import load_tables
from ordermesh.marketdata.v1 import (
    book_access_pb2,
    candle_access_pb2,
    market_data_service_pb2,
    market_data_service_pb2_grpc,
    market_trade_access_pb2,
)
from ordermesh.order.v1 import order_service_pb2_grpc, order_stream_pb2, trade_stream_pb2
from ordermesh.portfolio.v1 import portfolio_service_pb2_grpc, portfolio_stream_pb2, position_stream_pb2
from ordermesh.risk.v1 import risk_service_pb2, risk_service_pb2_grpc
from ordermesh.type.v1 import stream_pb2
from services.mesh.descriptors import service_descriptor
from tests.fixtures import http_clients
from tests.fixtures.access_mesh import SETTINGS, User, instrument, limit
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS: Final = 10
"""How long an access token lives here: the least that there may be. Its end is announced two seconds before."""
TRADE: Final = "Trade"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def brief(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """A mesh whose tokens are soon over."""
    settings = {**SETTINGS, "ORDERMESH_IDENTITY_ACCESS_TOKEN_SECONDS": str(SECONDS)}
    async with running_mesh(tmp_path_factory.mktemp("brief"), WITHOUT_AGENTS, settings) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def rest(brief: Mesh) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway."""
    async with http_clients.async_client(base_url=brief.gateway_url, timeout=PATIENCE_SECONDS) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def channel(brief: Mesh) -> AsyncIterator[grpc.aio.Channel]:
    """The same by gRPC."""
    async with grpc.aio.insecure_channel(brief.address("gateway")) as made:
        yield made


def streams(channel: grpc.aio.Channel, name: str) -> dict[str, tuple[Any, Any]]:
    """Returns every stream that a server sends: how it is called, and with what."""
    orders: Any = order_service_pb2_grpc.OrderServiceStub(channel)
    portfolios: Any = portfolio_service_pb2_grpc.PortfolioServiceStub(channel)
    risk: Any = risk_service_pb2_grpc.RiskServiceStub(channel)
    market: Any = market_data_service_pb2_grpc.MarketDataServiceStub(channel)
    return {
        "StreamOrders": (orders.StreamOrders, order_stream_pb2.StreamOrdersRequest(account_id="demo")),
        "StreamPositions": (portfolios.StreamPositions, position_stream_pb2.StreamPositionsRequest(account_id="demo")),
        "StreamPortfolio": (portfolios.StreamPortfolio, portfolio_stream_pb2.StreamPortfolioRequest(account_id="demo")),
        "StreamAlerts": (risk.StreamAlerts, risk_service_pb2.StreamAlertsRequest(account_id="demo")),
        "StreamQuotes": (market.StreamQuotes, market_data_service_pb2.StreamQuotesRequest(instruments=[name])),
        "StreamOrderBook": (market.StreamOrderBook, book_access_pb2.StreamOrderBookRequest(instruments=[name])),
        "StreamTrades": (market.StreamTrades, market_trade_access_pb2.StreamTradesRequest(instruments=[name])),
        "StreamCandles": (
            market.StreamCandles,
            candle_access_pb2.StreamCandlesRequest(instruments=[name]),
        ),
    }


async def kinds_of(call: Any) -> list[Any]:
    """Returns all messages of a stream that the server ends."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [message async for message in call]


async def test_every_stream_is_tried_here(channel: grpc.aio.Channel) -> None:
    """One that is new in the contracts must say that its token ends."""
    found = set()
    for service in load_tables().services:
        methods = service_descriptor(service.name).methods
        found |= {method.name for method in methods if method.server_streaming}
    assert found == {*streams(channel, "A.XTST"), TRADE}


async def test_every_stream_announces_its_end_and_resumes(rest: httpx.AsyncClient, channel: grpc.aio.Channel) -> None:
    """All at once, by gRPC, and one as server-sent events; with another token they go on where they were."""
    admin = await User(rest, "").login("admin")
    name = await instrument(admin)
    trader = await User(rest, "").login("demo")
    calls = streams(channel, name)
    opened = {each: call(request, metadata=trader.metadata) for each, (call, request) in calls.items()}
    *told, events = await asyncio.gather(*map(kinds_of, opened.values()), sse(rest, trader.token))
    trader = await trader.login("demo")
    for each, messages in zip(opened, told, strict=True):
        items = [message.WhichOneof("item") for message in messages]
        assert items[0] == "subscribed", each
        assert items.count("token_expiring") == 1, each
        assert items[-1] == "going_away", each
        assert items.index("token_expiring") < len(items) - 1
        last = messages[-1].going_away
        assert last.reason == stream_pb2.GOING_AWAY_REASON_TOKEN_EXPIRED, each
        call, request = calls[each]
        if not last.resume_token:
            assert "resume_token" not in request.DESCRIPTOR.fields_by_name, each
            continue
        request.resume_token = last.resume_token
        again = call(request, metadata=trader.metadata)
        assert (await again.read()).subscribed.resumed, each
        again.cancel()
    assert [next(iter(event)) for event in events][-1] == "going_away"
    assert any("token_expiring" in event for event in events)
    assert events[-1]["going_away"]["reason"] == "GOING_AWAY_REASON_TOKEN_EXPIRED"


async def sse(rest: httpx.AsyncClient, token: str) -> list[dict[str, Any]]:
    """Reads the orders of `demo` as server-sent events until the stream ends."""
    headers = {"authorization": f"Bearer {token}"}
    query = {"account_id": "demo"}
    async with rest.stream("GET", "/api/v1/stream/orders", params=query, headers=headers) as answer:
        return [
            json.loads(line.removeprefix("data:")) async for line in answer.aiter_lines() if line.startswith("data:")
        ]


async def test_a_trade_stream_outlives_its_token(rest: httpx.AsyncClient, channel: grpc.aio.Channel) -> None:
    """Told another in time, it lasts past the end of the first, its order stays; then it ends, and the order goes."""
    name = await instrument(await User(rest, "").login("admin"))
    trader = await User(rest, "").login("demo")
    stub: Any = order_service_pb2_grpc.OrderServiceStub(channel)
    call = stub.Trade(metadata=trader.metadata)
    disconnect = trade_stream_pb2.CancelOnDisconnect()
    opening = trade_stream_pb2.TradeOpen(account_id="demo", cancel_on_disconnect=disconnect)
    await call.write(trade_stream_pb2.TradeRequest(open=opening))
    order_id = (await trader.good("POST", "/api/v1/orders", json=limit("demo", name)))["order"]["order_id"]
    expiring = await until(call, "token_expiring")
    another = await trader.login("demo")
    authorize = trade_stream_pb2.TradeAuthorize(access_token=another.token)
    await call.write(trade_stream_pb2.TradeRequest(authorize=authorize))
    authorized = await until(call, "authorized")
    first_end, second_end = expiring.token_expiring.expires_at, authorized.authorized.expires_at
    assert second_end.ToNanoseconds() > first_end.ToNanoseconds()
    # The next announcement comes after the end of the first token.
    again = await until(call, "token_expiring")
    assert again.token_expiring.expires_at == second_end
    watcher = await another.login("demo")
    told = await watcher.good("GET", f"/api/v1/orders/{order_id}")
    assert told["order"]["order_status"] == "ORDER_STATUS_NEW"
    gone = await until(call, "going_away")
    assert gone.going_away.reason == stream_pb2.GOING_AWAY_REASON_TOKEN_EXPIRED
    assert await call.read() is grpc.aio.EOF
    watching = stub.Trade(metadata=watcher.metadata)
    opening = trade_stream_pb2.TradeOpen(account_id="demo", resume_token=gone.going_away.resume_token)
    await watching.write(trade_stream_pb2.TradeRequest(open=opening))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not any(each.order_id == order_id for each in (await watching.read()).update.reports):
            pass
    watching.cancel()


async def until(call: Any, kind: str) -> trade_stream_pb2.TradeResponse:
    """Reads until a message of a kind."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            message: trade_stream_pb2.TradeResponse = await call.read()
            assert message is not grpc.aio.EOF, kind
            if message.WhichOneof("item") == kind:
                return message
