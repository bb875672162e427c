"""Who may call the engine: services that its contracts name, by their certificates, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ordermesh.engine.v1 import (
    instrument_pb2,
    instrument_service_pb2,
    instrument_service_pb2_grpc,
    market_feed_service_pb2,
    market_feed_service_pb2_grpc,
    order_entry_service_pb2,
    order_entry_service_pb2_grpc,
    trade_adjustment_pb2,
)
from services.mesh.access.rules import rule_of
from services.mesh.certificate import Certificate
from tests.fakes.certificates import ENDED, FakeCompany
from tests.fixtures.engine import Engine, built

DENIED = (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED: only some services of the mesh may call this")
FEED = market_feed_service_pb2.SubscribeRequest()
SERVICES = {
    "OrderEntryService": order_entry_service_pb2_grpc.OrderEntryServiceStub,
    "InstrumentService": instrument_service_pb2_grpc.InstrumentServiceStub,
    "MarketFeedService": market_feed_service_pb2_grpc.MarketFeedServiceStub,
}


@pytest.fixture
def company(tmp_path: Path) -> FakeCompany:
    """The services of the mesh."""
    return FakeCompany(tmp_path / "tls")


@pytest_asyncio.fixture
async def engine(tmp_path: Path, company: FakeCompany) -> AsyncIterator[Engine]:
    """An engine with a certificate."""
    files = company.service("engine").files
    engine = Engine(
        tmp_path,
        f"--tls-certificate={files.certificate}",
        f"--tls-key={files.key}",
        f"--tls-authority={files.authority}",
    )
    yield await engine.start()
    await engine.stop()


def connect(engine: Engine, certificate: Certificate | None) -> grpc.aio.Channel:
    """Returns a channel that shares no connection with others."""
    options: list[tuple[str, str | int]] = [("grpc.use_local_subchannel_pool", 1)]
    if certificate is None:
        return grpc.aio.insecure_channel(engine.address, options=options)
    options.append(("grpc.ssl_target_name_override", "engine"))
    return grpc.aio.secure_channel(engine.address, certificate.channel_credentials(), options=options)


async def outcome(call: Any) -> tuple[grpc.StatusCode, str | None]:
    """Returns how a call ends, or begins to be answered."""
    try:
        await (call.read() if hasattr(call, "read") else call)
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


CALLS: dict[str, Callable[[Any], Any]] = {
    # It sends nothing: a refusal that overtakes a message is lost to gRPC's client.
    "Trade": lambda stub: stub.Trade(iter(())),
    "QueryOpenOrders": lambda stub: stub.QueryOpenOrders(order_entry_service_pb2.QueryOpenOrdersRequest()),
    "QueryExecutions": lambda stub: stub.QueryExecutions(order_entry_service_pb2.QueryExecutionsRequest()),
    "DefineInstrument": lambda stub: stub.DefineInstrument(instrument_service_pb2.DefineInstrumentRequest()),
    "ListInstruments": lambda stub: stub.ListInstruments(instrument_service_pb2.ListInstrumentsRequest()),
    "HaltInstrument": lambda stub: stub.HaltInstrument(instrument_service_pb2.HaltInstrumentRequest()),
    "ResumeInstrument": lambda stub: stub.ResumeInstrument(instrument_service_pb2.ResumeInstrumentRequest()),
    "ExpireDayOrders": lambda stub: stub.ExpireDayOrders(instrument_service_pb2.ExpireDayOrdersRequest()),
    "BeginAuction": lambda stub: stub.BeginAuction(instrument_service_pb2.BeginAuctionRequest()),
    "UncrossAuction": lambda stub: stub.UncrossAuction(instrument_service_pb2.UncrossAuctionRequest()),
    "QueryAuction": lambda stub: stub.QueryAuction(instrument_service_pb2.QueryAuctionRequest()),
    "AdjustTrade": lambda stub: stub.AdjustTrade(trade_adjustment_pb2.AdjustTradeRequest()),
    "Subscribe": lambda stub: stub.Subscribe(FEED),
}


async def test_each_rpc_is_for_the_peers_that_its_contract_names(engine: Engine, company: FakeCompany) -> None:
    """Every one of them, with every service's certificate, the gateway's, and a client's of the same name."""
    callers = {name: company.service(name) for name in ("broker", "market", "marketdata", "order", "risk", "gateway")}
    callers["a client called broker"] = company.client("broker")
    asked = set()
    for name, certificate in callers.items():
        async with connect(engine, certificate) as channel:
            for service, make in SERVICES.items():
                stub: Any = make(channel)
                for method in vars(stub):
                    asked.add(method)
                    allowed = name in rule_of(f"ordermesh.engine.v1.{service}", method).peers
                    found = await outcome(CALLS[method](stub))
                    assert (found != DENIED) is allowed, (name, method, found)
    assert asked == set(CALLS)


async def test_everybody_of_the_mesh_may_ask_whether_it_serves(engine: Engine, company: FakeCompany) -> None:
    """The supervisor does, which no RPC names."""
    async with connect(engine, company.service("supervisor")) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_what_no_contract_names_is_for_nobody(engine: Engine, company: FakeCompany) -> None:
    """A service that the check was not told of is shut, not open; reflection is gRPC's own, and for everybody."""
    async with connect(engine, company.service("broker")) as channel:
        unknown: Any = channel.unary_unary("/ordermesh.engine.v1.NewService/New")
        assert await outcome(unknown(b"", timeout=10)) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "PERMISSION_DENIED: no contract says who may call this",
        )
        reflection: Any = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        assert (await outcome(reflection(iter((b"",)))))[0] is grpc.StatusCode.OK


async def test_who_is_not_of_the_mesh_gets_no_connection(engine: Engine, company: FakeCompany, tmp_path: Path) -> None:
    """Plain text, another authority's certificate, and one that has ended."""
    strangers = FakeCompany(tmp_path / "strangers")
    for certificate in (None, strangers.service("broker"), company.service("broker", ENDED)):
        async with connect(engine, certificate) as channel:
            stub: Any = instrument_service_pb2_grpc.InstrumentServiceStub(channel)
            found = await outcome(stub.ListInstruments(instrument_service_pb2.ListInstrumentsRequest(), timeout=10))
            assert found[0] is grpc.StatusCode.UNAVAILABLE


async def test_a_new_certificate_is_shown_without_a_start(engine: Engine, company: FakeCompany) -> None:
    """One that has ended is replaced, and the next connection is made; what is open goes on."""
    marketdata = company.service("marketdata")
    request = instrument_service_pb2.DefineInstrumentRequest(
        instrument=instrument_pb2.Instrument(instrument_id=1, symbol="TEST1")
    )
    listing = instrument_service_pb2.ListInstrumentsRequest()

    async def connects() -> bool:
        async with connect(engine, marketdata) as channel:
            stub: Any = instrument_service_pb2_grpc.InstrumentServiceStub(channel)
            return (await outcome(stub.ListInstruments(listing, timeout=10)))[0] is grpc.StatusCode.OK

    async with connect(engine, marketdata) as before:
        stub: Any = instrument_service_pb2_grpc.InstrumentServiceStub(before)
        await stub.DefineInstrument(request)
        company.service("engine", ENDED)
        while await connects():
            continue
        company.service("engine")
        while not await connects():
            continue
        assert len((await stub.ListInstruments(listing)).instruments) == 1


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--tls-certificate=x.pem",), "all of them or none"),
        (("--tls-certificate=x.pem", "--tls-key=x.pem", "--tls-authority=x.pem"), "cannot read x.pem"),
    ],
)
async def test_a_certificate_that_cannot_be_had_stops_the_start(
    tmp_path: Path, flags: tuple[str, ...], told: str
) -> None:
    """Nothing is served in plain text instead."""
    engine = Engine(tmp_path, *flags)
    built("ordermesh-engine")
    process = await engine.launch()
    assert await process.wait() != 0
    assert told in engine.log.read_text()
