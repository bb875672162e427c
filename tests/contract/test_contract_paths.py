"""The REST paths that callers rely on: they may gain siblings, none may vanish."""

from __future__ import annotations

from proto.build.model import Contract
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


def _without_names(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def test_no_promised_path_has_vanished(contract: Contract) -> None:
    """Each is served by an RPC, by each of its methods."""
    served = {(route.binding.verb, _without_names(route.binding.path)) for route in routes(contract)}
    promised = {(verb, path) for *verbs, path in map(str.split, PROMISED.strip().splitlines()) for verb in verbs}
    assert sorted(promised - served) == []
