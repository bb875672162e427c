"""Two environments in one mesh: nobody of one reaches anything of the other, by any RPC there is."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc
import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToJson, ParseDict
from google.protobuf.message_factory import GetMessageClass

from deploy.embedded.mesh import Mesh
from gateway.tables import load_tables
from ordermesh.type.v1 import access_pb2
from services.mesh.access.rules import Rule, rule_of
from services.mesh.descriptors import service_descriptor
from tests.fixtures import http_clients
from tests.fixtures.access_mesh import SETTINGS, SIMULATION, User, limit
from tests.fixtures.environments import LIVE, OCO, UNHEARD, Side, two_sides
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PUBLIC: Final = tuple(service.name for service in load_tables().services)
"""Every service that is reached from outside."""
HIDDEN: Final = (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND)


@dataclass(frozen=True)
class Both:
    """The mesh, and who tries to reach whom."""

    channel: grpc.aio.Channel
    simulation: Side
    live: Side
    instrument: str

    def sides(self, way: str) -> tuple[Side, Side]:
        """Returns who tries, and whose things they try to reach."""
        return (self.live, self.simulation) if way == "live to simulation" else (self.simulation, self.live)

    async def call(self, side: Side, path: str, request: dict[str, Any]) -> Any:
        """Calls by gRPC as a side's user; returns the answer, or the first messages of a stream."""
        service, name = path.split(".")
        found = service_descriptor(full_name(service)).methods_by_name[name]
        message: Any = ParseDict(request, GetMessageClass(found.input_type)())
        made: Any = self.channel.unary_stream if found.server_streaming else self.channel.unary_unary
        if found.client_streaming:
            made, message = self.channel.stream_stream, iter([message])
        called = made(
            f"/{full_name(service)}/{name}",
            request_serializer=lambda sent: sent.SerializeToString(),
            response_deserializer=GetMessageClass(found.output_type).FromString,
        )(message, metadata=side.user.metadata, timeout=20)
        return await (called.read() if found.server_streaming else called)


def full_name(service: str) -> str:
    """Returns the full name of a public service."""
    return next(name for name in PUBLIC if name.endswith("." + service))


def methods() -> dict[str, Rule]:
    """Returns every RPC that somebody from outside may call with a token, with who may."""
    found = {}
    for each in PUBLIC:
        for method in service_descriptor(each).methods:
            rule = rule_of(each, method.name)
            if rule.roles:
                found[f"{each.rpartition('.')[2]}.{method.name}"] = rule
    return found


Requests = Callable[[Side, Both], list[dict[str, Any]]]


def by(*fields: str, **more: Any) -> Requests:
    """Returns what asks for something of a side by these fields."""

    def requests(side: Side, _both: Both) -> list[dict[str, Any]]:
        own = {"account_id": side.account, "environment": side.environment, "sequence": side.audit_sequence}
        named = own | side.names
        return [{name: named[name] for name in fields} | more]

    return requests


def orders(make: Callable[[dict[str, Any]], dict[str, Any]]) -> Requests:
    """Returns what places orders for a side's account."""
    return lambda side, both: [make(limit(side.account, both.instrument))]


def either(*of: Requests) -> Requests:
    """Returns what asks in several ways."""
    return lambda side, both: [each for one in of for each in one(side, both)]


ACCOUNT = by("account_id")
CONNECTION = by("connection_id")
ORDER, ORDER_LIST = by("order_id"), by("order_list_id")
PORTFOLIO = by("portfolio_id")

REACHING: Final[dict[str, Requests]] = {
    "AuditService.GetAuditRecord": by("sequence"),
    "BrokerService.CreateConnection": by("environment", connection_id="new", adapter="simulation"),
    "BrokerService.GetConnection": CONNECTION,
    "BrokerService.UpdateConnection": CONNECTION,
    "BrokerService.DeleteConnection": CONNECTION,
    "BrokerService.GetCapabilities": CONNECTION,
    "BrokerService.GetFunds": CONNECTION,
    "BrokerService.ListVenuePositions": CONNECTION,
    "BrokerService.ListVenueHoldings": CONNECTION,
    "BrokerService.ListVenueOrders": CONNECTION,
    "BrokerService.BustTrade": by("connection_id", venue_execution_id="1"),
    "BrokerService.CorrectTrade": by(
        "connection_id", venue_execution_id="1", instrument="A.XTST", price="1", quantity="1"
    ),
    "IdentityService.GetUser": by("user_id"),
    "IdentityService.UpdateUser": by("user_id", roles=["ROLE_TRADER"]),
    "IdentityService.RevokeSession": by("session_id"),
    "IdentityService.RevokeApiKey": by("api_key_id"),
    "OrderService.PlaceOrder": orders(dict),
    "OrderService.PlaceOrders": orders(lambda order: {"orders": [order]}),
    "OrderService.PreviewOrder": orders(lambda order: {"order": order}),
    "OrderService.PlaceOrderList": orders(
        lambda order: {
            "client_order_list_id": uuid.uuid4().hex,
            "contingency_type": OCO,
            "orders": [order, order | {"client_order_id": uuid.uuid4().hex}],
        }
    ),
    "OrderService.CancelOrder": ORDER,
    "OrderService.ReplaceOrder": by("order_id", replace_id="r", quantity="5"),
    "OrderService.CancelAllOrders": ACCOUNT,
    "OrderService.GetOrderList": ORDER_LIST,
    "OrderService.CancelOrderList": ORDER_LIST,
    "OrderService.ListOrderLists": ACCOUNT,
    "OrderService.GetOrder": ORDER,
    "OrderService.GetOrderHistory": ORDER,
    "OrderService.GetExecutionQuality": ORDER,
    "OrderService.GetTrade": by("trade_id"),
    "OrderService.ListOrders": ACCOUNT,
    "OrderService.ListTrades": either(ACCOUNT, ORDER),
    "OrderService.SummarizeTrades": ACCOUNT,
    "OrderService.SummarizeExecutionQuality": ACCOUNT,
    "OrderService.StreamOrders": ACCOUNT,
    "OrderService.Trade": lambda side, _: [{"open": {"account_id": side.account}}],
    "PortfolioService.CreateAccount": by("environment", account_id="new"),
    "PortfolioService.GetAccount": ACCOUNT,
    "PortfolioService.SetSimulationBalance": by("account_id", request_id="r", currency="USD", amount="1"),
    "PortfolioService.ResetSimulationAccount": by("account_id", request_id="r"),
    "PortfolioService.ListPositions": ACCOUNT,
    "PortfolioService.GetPosition": lambda side, both: [{"account_id": side.account, "instrument": both.instrument}],
    "PortfolioService.CreatePortfolio": by("account_id", name="mine"),
    "PortfolioService.GetPortfolio": either(ACCOUNT, PORTFOLIO),
    "PortfolioService.ListPortfolios": ACCOUNT,
    "PortfolioService.UpdatePortfolio": by("portfolio_id", name="mine"),
    "PortfolioService.DeletePortfolio": PORTFOLIO,
    "PortfolioService.AddPortfolioPosition": by("portfolio_id", instrument="A.XTST"),
    "PortfolioService.RemovePortfolioPosition": by("portfolio_id", instrument="A.XTST"),
    "PortfolioService.ListPortfolioPositions": either(ACCOUNT, PORTFOLIO),
    "PortfolioService.GetBalances": ACCOUNT,
    "PortfolioService.StreamPositions": ACCOUNT,
    "PortfolioService.StreamPortfolio": either(ACCOUNT, PORTFOLIO),
    "RiskService.GetRiskParameters": ACCOUNT,
    "RiskService.UpdateRiskParameters": lambda side, _: [{"parameters": {"account_id": side.account}}],
    "RiskService.GetCircuitBreaker": ACCOUNT,
    "RiskService.ResetCircuitBreaker": ACCOUNT,
    "RiskService.EmergencyStop": by("account_id", state="TRADING_STATE_HALTED"),
    "RiskService.Resume": ACCOUNT,
    "RiskService.GetTradingState": ACCOUNT,
    "RiskService.GetRiskMetrics": ACCOUNT,
    "RiskService.ListAlerts": ACCOUNT,
    "RiskService.StreamAlerts": ACCOUNT,
}
"""What asks for something of the other environment by its name: it must be refused, as what there is not."""

LISTING: Final[dict[str, dict[str, Any]]] = {
    "AuditService.ListAuditRecords": {"page_size": 1000},
    "BrokerService.ListConnections": {},
    "IdentityService.ListUsers": {"page_size": 1000},
    "IdentityService.ListSessions": {},
    "IdentityService.ListApiKeys": {},
    "IdentityService.GetProfile": {},
    "OrderService.ListReconciliations": {"page_size": 1000},
    "PortfolioService.ListAccounts": {"page_size": 1000},
    "PortfolioService.ListPortfolios": {"page_size": 1000},
    "RiskService.GetRiskParameters": {},
    "RiskService.GetTradingState": {},
}
"""What tells everything that a caller reaches: nothing of the other environment must be in it."""

OF_BOTH: Final = {
    "AuditService.VerifyAudit": "the chain is one, and no record of it is told",
    "MarketDataService.GetInstrument": "instruments are of no environment: both trade the same ones",
    "MarketDataService.ListInstruments": "the same",
    "MarketDataService.CreateInstrument": "the same; kept by the admins of both",
    "MarketDataService.UpdateInstrument": "the same",
    "MarketDataService.BeginAuction": "the market is one, and its phases with it",
    "MarketDataService.UncrossAuction": "the same",
    "MarketDataService.GetQuote": "market data is public to whoever is logged in",
    "MarketDataService.ListQuotes": "the same",
    "MarketDataService.GetOrderBook": "the same",
    "MarketDataService.ListMarketTrades": "the same",
    "MarketDataService.ListCandles": "the same",
    "MarketDataService.StreamQuotes": "the same",
    "MarketDataService.StreamOrderBook": "the same",
    "MarketDataService.StreamTrades": "the same",
    "MarketDataService.StreamCandles": "the same",
    "SystemService.GetMetrics": "figures of the processes, which serve both",
}
OF_THE_CALLER: Final = {
    "IdentityService.Logout",
    "IdentityService.UpdateProfile",
    "IdentityService.ChangePassword",
    "IdentityService.EnrollSecondFactor",
    "IdentityService.ConfirmSecondFactor",
    "IdentityService.RenewRecoveryCodes",
    "IdentityService.DisableSecondFactor",
    "IdentityService.CreateApiKey",
    "IdentityService.CreateUser",
}
"""What is about the caller's own login, or makes users where the caller is: it has nothing that names others."""
WAYS: Final = ("live to simulation", "simulation to live")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """Everything but the trading agents, and everybody must prove who they are."""
    async with running_mesh(tmp_path_factory.mktemp("environments"), WITHOUT_AGENTS, SETTINGS) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(guarded: Mesh) -> AsyncIterator[Both]:
    """Two environments with accounts, orders, portfolios and users in each."""
    async with (
        http_clients.async_client(base_url=guarded.gateway_url, timeout=20) as client,
        grpc.aio.insecure_channel(guarded.address("gateway")) as channel,
    ):
        admin = await User(client, "").login("admin")
        yield Both(channel, *await two_sides(guarded, admin))


async def test_every_rpc_is_tried_here() -> None:
    """One that is new in the contracts must say what it has of environments, and be tried."""
    tables = (REACHING.keys(), LISTING.keys(), OF_BOTH.keys(), OF_THE_CALLER)
    assert {name for table in tables for name in table} == methods().keys()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", REACHING)
async def test_nothing_of_the_other_environment_is_reached(both: Both, path: str, way: str) -> None:
    """By somebody with every role, whose token names the accounts of both. Who reads one's own gets it."""
    who, whose = both.sides(way)
    for request in REACHING[path](whose, both):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await both.call(who, path, request)
        assert failure.value.code() in HIDDEN, (request, failure.value.details())
    if methods()[path].scope == access_pb2.SCOPE_READ:
        for request in REACHING[path](who, both):
            if not {UNHEARD, "unheard"} & set(map(str, request.values())) and path not in NOTHING_YET:
                assert await both.call(who, path, request) is not None


NOTHING_YET: Final = {"PortfolioService.GetPosition"}
"""What a new account has none of."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", LISTING)
async def test_lists_tell_nothing_of_the_other_environment(both: Both, path: str, way: str) -> None:
    """Neither names of what there is, nor the environment itself."""
    who, whose = both.sides(way)
    told = MessageToJson(await both.call(who, path, LISTING[path]))
    assert whose.environment not in told
    for name in whose.secrets:
        # What accounts a user is said to have is the users' own; that it gives them nothing is seen above.
        if name == whose.account and path.startswith("IdentityService"):
            continue
        assert f'"{name}"' not in told, name


@pytest.mark.parametrize("way", WAYS)
async def test_refused_calls_are_told_without_accounts_of_the_other_environment(both: Both, way: str) -> None:
    """Neither one that the caller has named, nor one that is of what they have named; that they tried is told."""
    who, whose = both.sides(way)
    await who.user.ask("GET", f"/api/v1/accounts/{whose.account}")
    await who.user.ask("GET", f"/api/v1/orders/{whose.names['order_id']}")

    async def found() -> dict[str, list[str]]:
        entries = (await both.call(who, "AuditService.ListAuditRecords", {"entity_type": "call"})).entries
        return {each.record.reason: sorted({other.record.account_id for other in entries}) for each in entries}

    told = await eventually(found, lambda told: {"PERMISSION_DENIED", "UNKNOWN_ORDER"} <= told.keys())
    assert whose.account not in {account for accounts in told.values() for account in accounts}


async def test_reconciliations_are_those_of_ones_own_connections(both: Both) -> None:
    """The simulation's venue was held against the log when it opened; nobody among real money learns of it."""
    path = "OrderService.ListReconciliations"

    async def found() -> int:
        return len((await both.call(both.simulation, path, {})).reconciliations)

    assert await eventually(found, bool)
    assert not (await both.call(both.live, path, {})).reconciliations


async def test_an_order_of_a_live_account_does_not_reach_the_simulation(both: Both) -> None:
    """It is rejected on its way, with the reason, whether it names the connection or not."""
    for more in ({}, {"connection_id": "simulation"}):
        body = limit(both.live.account, both.instrument) | more
        order = (await both.live.user.good("POST", "/api/v1/orders", json=body))["order"]

        async def order_now(order_id: str = order["order_id"]) -> dict[str, Any]:
            return dict((await both.live.user.good("GET", f"/api/v1/orders/{order_id}"))["order"])

        ended = await eventually(order_now, lambda told: told["order_status"] == "ORDER_STATUS_REJECTED")
        assert ended["reason"] == "ERROR_REASON_ENVIRONMENT_MISMATCH"


async def test_the_firm_is_stopped_in_one_environment(both: Both) -> None:
    """A stop of the firm, its limits and its alerts among real money are nothing to the simulation."""
    simulation, live = both.simulation.user, both.live.user
    stop = {"firm": True, "state": "TRADING_STATE_HALTED", "text": "live alone"}
    stopped = await live.good("POST", "/api/v1/risk/emergency-stop", json=stop)
    assert stopped["kill_switch"]["environment"] == LIVE
    await live.good("PUT", "/api/v1/risk/parameters", json={"max_order_size": "7"})
    states = {}
    for side in (both.simulation, both.live):
        told = await side.user.good("GET", "/api/v1/risk/trading-state")
        states[side.environment] = told["effective_state"]
    assert states == {SIMULATION: "TRADING_STATE_ACTIVE", LIVE: "TRADING_STATE_HALTED"}
    refused = limit(both.live.account, both.instrument)
    assert (await live.refused("POST", "/api/v1/orders", json=refused))[1] == "TRADING_HALTED"
    await simulation.good("POST", "/api/v1/orders", json=limit(both.simulation.account, both.instrument))
    await live.good("POST", "/api/v1/risk/resume", json={"firm": True})
    assert (await live.refused("POST", "/api/v1/orders", json=refused | {"client_order_id": "x"}))[1] == (
        "RISK_LIMIT_EXCEEDED"
    )
    await live.good("PUT", "/api/v1/risk/parameters", json={"max_order_size": "0"})

    async def alerts(side: Side) -> set[str]:
        told = await side.user.good("GET", "/api/v1/risk/alerts", params={"account_id": side.account})
        return {each["kind"] for each in told["alerts"]}

    assert await eventually(lambda: alerts(both.live), lambda kinds: "RISK_ALERT_KIND_TRADING_STOPPED" in kinds)
    assert "RISK_ALERT_KIND_TRADING_STOPPED" not in await alerts(both.simulation)


async def test_a_simulation_account_begins_anew(both: Both) -> None:
    """Over REST: set by an admin, once; reset once nothing is open; never a live account."""
    user, account = both.simulation.user, f"n-{uuid.uuid4().hex[:8]}"
    balances = [{"currency": "USD", "amount": "1000"}]
    body = {"account_id": account, "environment": SIMULATION, "base_currency": "USD", "balances": balances}
    await user.good("POST", "/api/v1/accounts", json=body)
    setting = {"request_id": "s1", "amount": "250.5"}
    for _ in range(2):
        told = await user.good("PUT", f"/api/v1/accounts/{account}/balances/USD", json=setting)
        assert told["account"]["balances"] == [{"currency": "USD", "amount": "250.5", "opening_amount": "250.5"}]
    again = {"request_id": "s1", "amount": "1"}
    assert await user.refused("PUT", f"/api/v1/accounts/{account}/balances/USD", json=again) == (
        409,
        "DUPLICATE_REQUEST_ID",
    )
    told = await user.good("POST", f"/api/v1/accounts/{account}/reset", json={"request_id": "r1"})
    assert told["account"]["balances"][0]["amount"] == "1000"
    owner = f"/api/v1/accounts/{both.simulation.account}/reset"
    assert await user.refused("POST", owner, json={"request_id": "r2"}) == (400, "ACCOUNT_NOT_FLAT")
    live = both.live.account
    for verb, path in (("PUT", f"/api/v1/accounts/{live}/balances/USD"), ("POST", f"/api/v1/accounts/{live}/reset")):
        asked = setting if verb == "PUT" else {"request_id": "r1"}
        assert (await both.live.user.refused(verb, path, json=asked))[1] == "NOT_A_SIMULATION"
