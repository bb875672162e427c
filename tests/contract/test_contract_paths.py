"""The REST paths that callers rely on: they may gain siblings, none may vanish, and all who tell of them agree."""

from __future__ import annotations

import json
import re

from gateway.tables import GEN, load_tables
from proto.build.model import Contract, Method
from proto.build.template import routes

PROMISED = """
GET /health
GET /metrics
GET /ready
GET /.well-known/jwks.json
POST /api/v1/auth/register
POST /api/v1/auth/login
POST /api/v1/auth/second-factor
POST /api/v1/auth/refresh
POST /api/v1/auth/logout
POST /api/v1/auth/api-keys:exchange
GET PUT /api/v1/auth/profile
DELETE GET POST /api/v1/auth/api-keys
DELETE GET PUT /api/v1/brokers/{}
GET POST /api/v1/brokers
GET /api/v1/brokers/{}/capabilities
GET /api/v1/brokers/{}/funds
GET /api/v1/brokers/{}/holdings
GET /api/v1/brokers/{}/orders
GET /api/v1/brokers/{}/positions
GET POST /api/v1/orders
DELETE GET PUT /api/v1/orders/{}
POST /api/v1/orders/{}/cancel
GET /api/v1/orders/{}/history
GET /api/v1/orders/{}/execution-quality
GET /api/v1/execution-quality
POST /api/v1/orders:batch
POST /api/v1/orders:cancelAll
POST /api/v1/orders:preview
GET /api/v1/reconciliations
GET /api/v1/trades
GET /api/v1/trades/{}
GET /api/v1/trades/summary
GET PUT /api/v1/risk/parameters
GET PUT /api/v1/risk/limits
GET /api/v1/risk/circuit-breaker
POST /api/v1/risk/circuit-breaker/reset
POST /api/v1/risk/emergency-stop
POST /api/v1/risk/resume
GET /api/v1/risk/trading-state
GET /api/v1/risk/metrics
GET /api/v1/risk/alerts
GET /api/v1/positions
GET /api/v1/positions/{}
GET /api/v1/positions/{}/{}
GET /api/v1/portfolio
GET /api/v1/portfolio/positions
GET /api/v1/portfolio/balances
GET POST /api/v1/portfolios
DELETE GET PUT /api/v1/portfolios/{}
GET POST /api/v1/portfolios/{}/positions
DELETE /api/v1/portfolios/{}/positions/{}
GET POST /api/v1/accounts
GET /api/v1/accounts/{}
PUT /api/v1/accounts/{}/balances/{}
POST /api/v1/accounts/{}/reset
GET POST /api/v1/market-data/symbols
GET PUT /api/v1/market-data/symbols/{}
GET /api/v1/market-data/{}
GET /api/v1/market-data/{}/{}
GET /api/v1/market-data/{}/history
GET /api/v1/market-data/{}/{}/history
GET /api/v1/market-data/ticker
GET /api/v1/market-data/ohlcv
GET /api/v1/market-data/trades
GET /api/v1/market-data/orderbook
GET /api/v1/stream/orders
GET /api/v1/stream/trades
GET /api/v1/stream/positions
GET /api/v1/stream/portfolio
GET /api/v1/stream/alerts
GET /api/v1/stream/quotes
GET /api/v1/stream/orderbook
GET /api/v1/stream/candles
"""

# Of the REST face that is planned (brokers' sessions, performance, what later services bring): it has no RPC yet.
NOT_YET = """
POST /api/v1/brokers/{}/login
POST /api/v1/brokers/{}/logout
POST /api/v1/signals
GET POST /api/v1/strategies
DELETE GET PUT /api/v1/strategies/{}
POST /api/v1/strategies/{}/start
POST /api/v1/strategies/{}/stop
GET /api/v1/strategies/{}/signals
GET POST /api/v1/backtests
POST /api/v1/risk/stress-tests
POST /api/v1/risk/position-size
GET /api/v1/positions/{}/performance
GET /api/v1/portfolio/performance
GET /api/v1/portfolios/{}/performance
GET /api/v1/portfolios/{}/analytics
GET /api/v1/reports
DELETE GET /api/v1/reports/{}
POST /api/v1/reports/positions/{}
POST /api/v1/reports/portfolios/{}
GET /api/v1/stream/strategies/{}
"""


def _listed(text: str) -> set[tuple[str, str]]:
    return {(verb, path) for *verbs, path in map(str.split, text.strip().splitlines()) for verb in verbs}


def _served(contract: Contract) -> set[tuple[str, str]]:
    return {(route.binding.verb, _without_names(route.binding.path)) for route in routes(contract)}


def _without_names(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def test_no_promised_path_has_vanished(contract: Contract) -> None:
    """Each is served by an RPC, by each of its methods."""
    assert sorted(_listed(PROMISED) - _served(contract)) == []


def test_what_is_not_there_yet_is_named_until_it_is(contract: Contract) -> None:
    """A path that has an RPC now is promised from now on."""
    assert sorted(_listed(NOT_YET) & _served(contract)) == []


def test_document_and_gateway_have_the_same_routes(contract: Contract) -> None:
    """The OpenAPI document, the routes and services of the transcoder, and the contracts: no route is in one alone."""
    document = json.loads((GEN / "openapi" / "openapi.json").read_text(encoding="utf-8"))
    told = {(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs}
    tables = load_tables()
    assert told == {(route.binding.verb, route.binding.path) for route in routes(contract)}
    assert told == {(route.verb, route.path) for route in tables.routes}
    services = {service.name for service in tables.services}
    assert {route.rpc.split("/")[1] for route in tables.routes} == services


def test_document_and_gateway_say_the_same_of_tokens(contract: Contract) -> None:
    """What the contract calls public wants no token, in the document and at the gateway; all else wants one."""
    document = json.loads((GEN / "openapi" / "openapi.json").read_text(encoding="utf-8"))
    free = {
        (verb.upper(), path)
        for path, verbs in document["paths"].items()
        for verb, operation in verbs.items()
        if operation["security"] == []
    }
    assert free == {(route.binding.verb, route.binding.path) for route in routes(contract) if _is_free(route.method)}
    assert free == {(route.verb, route.path) for route in load_tables().routes if route.public}
    methods = {f"/{each.name}/{name}" for each in load_tables().services for name in each.public}
    assert methods == {each.grpc_path for service in contract.services for each in service.methods if _is_free(each)}
    for verbs in document["paths"].values():
        for operation in verbs.values():
            refusals = {"429", "default"} | ({"401", "403"} if operation["security"] else set())
            assert set(operation["responses"]) - {"200"} == refusals
            references = re.findall(r"#/components/responses/(\w+)", json.dumps(operation))
            assert set(references) <= document["components"]["responses"].keys()


def _is_free(method: Method) -> bool:
    return method.access == "ACCESS_PUBLIC"
