"""Calls that are answered well: for each RPC who calls and with what, the same for every way to call.

A word that begins with `$` stands for something of the call's own: `$own` is a name that nobody has used, the others
are made before (`Makers`), anew for each call.
"""

from __future__ import annotations

from typing import Any, Final

BASE: Final = {
    "account_id": "demo",
    "instrument": "$instrument",
    "side": "SIDE_BUY",
    "type": "ORDER_TYPE_LIMIT",
    "time_in_force": "TIME_IN_FORCE_GTC",
    "quantity": "10",
    "limit_price": "100",
}
ORDER: Final = {"client_order_id": "$own", **BASE}
STOP: Final = {
    **{name: value for name, value in BASE.items() if name != "limit_price"},
    "type": "ORDER_TYPE_STOP",
    "stop_price": "120",
}
DEMO: Final = {"account_id": "demo"}
PAGE: Final = {"page_size": 5}
VENUE: Final = {"connection_id": "simulation"}
NEW_PASSWORD: Final = "another horse battery staple"

GOOD: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    # --- orders
    "PlaceOrder": ("trader", ORDER),
    "PlaceOrders": ("trader", {"orders": [ORDER]}),
    "PreviewOrder": ("trader", {"order": {**ORDER, "client_order_id": "preview"}}),
    "CancelOrder": ("trader", {"order_id": "$order"}),
    "ReplaceOrder": ("trader", {"order_id": "$order", "replace_id": "$own", "quantity": "5", "limit_price": "99"}),
    "CancelAllOrders": ("trader", {**DEMO, "instrument": "$instrument", "strategy_id": "none-has-it"}),
    "PlaceOrderList": (
        "trader",
        {
            "client_order_list_id": "$own",
            "contingency_type": "CONTINGENCY_TYPE_ONE_CANCELS_THE_OTHER",
            "orders": [{**ORDER, "client_order_id": "$own-1"}, {**STOP, "client_order_id": "$own-2"}],
        },
    ),
    "GetOrderList": ("trader", {"order_list_id": "$list"}),
    "ListOrderLists": ("trader", {**DEMO, "client_order_list_id": "none-has-it", **PAGE}),
    "CancelOrderList": ("trader", {"order_list_id": "$held_list"}),
    "GetOrder": ("trader", {"order_id": "$resting"}),
    "ListOrders": ("trader", {**DEMO, "client_order_id": "none-has-it", **PAGE}),
    "ListTrades": ("trader", {**DEMO, **PAGE}),
    "SummarizeTrades": ("trader", DEMO),
    "GetOrderHistory": ("trader", {"order_id": "$resting"}),
    "GetExecutionQuality": ("trader", {"order_id": "$resting"}),
    "SummarizeExecutionQuality": ("trader", DEMO),
    "ListReconciliations": ("admin", PAGE),
    # --- risk
    "GetRiskParameters": ("trader", DEMO),
    "UpdateRiskParameters": ("risk", {"parameters": {"account_id": "$account", "max_daily_trades": 1000}}),
    "GetCircuitBreaker": ("trader", DEMO),
    "ResetCircuitBreaker": ("risk", {"account_id": "$account", "text": "tried"}),
    "EmergencyStop": ("risk", {"account_id": "$account", "state": "TRADING_STATE_HALTED", "text": "tried"}),
    "Resume": ("risk", {"account_id": "$account", "text": "tried"}),
    "GetTradingState": ("trader", DEMO),
    "GetRiskMetrics": ("trader", DEMO),
    "ListAlerts": ("trader", {**DEMO, **PAGE}),
    # --- brokers
    "CreateConnection": (
        "admin",
        {"connection_id": "$own", "adapter": "simulation", "environment": "ENVIRONMENT_SIMULATION", "disabled": True},
    ),
    "GetConnection": ("trader", VENUE),
    "ListConnections": ("trader", {"adapter": "nobody-has-it"}),
    "UpdateConnection": ("admin", {"connection_id": "$connection", "display_name": "Tried"}),
    "DeleteConnection": ("admin", {"connection_id": "$connection"}),
    "GetCapabilities": ("trader", VENUE),
    "GetFunds": ("admin", VENUE),
    "ListVenuePositions": ("admin", VENUE),
    "ListVenueHoldings": ("admin", VENUE),
    "ListVenueOrders": ("admin", {**VENUE, "page_size": 1}),
    # --- portfolios
    "CreateAccount": (
        "admin",
        {
            "account_id": "$own",
            "environment": "ENVIRONMENT_SIMULATION",
            "base_currency": "USD",
            "balances": [{"currency": "USD", "amount": "1000"}],
        },
    ),
    "GetAccount": ("trader", DEMO),
    "ListAccounts": ("trader", PAGE),
    "ListPositions": ("trader", DEMO),
    "CreatePortfolio": ("trader", {**DEMO, "name": "$own", "base_currency": "USD"}),
    "SetSimulationBalance": (
        "admin",
        {"account_id": "$account", "request_id": "$own", "currency": "USD", "amount": "5"},
    ),
    "ResetSimulationAccount": ("admin", {"account_id": "$account", "request_id": "$own"}),
    "GetPortfolio": ("trader", {"portfolio_id": "$portfolio"}),
    "ListPortfolios": ("trader", {**DEMO, "page_size": 1}),
    "UpdatePortfolio": ("trader", {"portfolio_id": "$portfolio", "name": "$own"}),
    "DeletePortfolio": ("trader", {"portfolio_id": "$portfolio"}),
    "AddPortfolioPosition": ("trader", {"portfolio_id": "$portfolio", "instrument": "AAPL.XNAS"}),
    "RemovePortfolioPosition": ("trader", {"portfolio_id": "$portfolio", "instrument": "MSFT.XNAS"}),
    "ListPortfolioPositions": ("trader", {"portfolio_id": "$portfolio"}),
    "GetBalances": ("trader", DEMO),
    # --- market data
    "GetInstrument": ("trader", {"instrument": "AAPL.XNAS"}),
    "ListInstruments": ("trader", {"venue": "XNAS"}),
    "CreateInstrument": (
        "admin",
        {
            "instrument": "$OWN.XTST",
            "asset_class": "ASSET_CLASS_EQUITY",
            "currency": "USD",
            "tick_size": "0.01",
            "lot_size": "1",
        },
    ),
    "UpdateInstrument": ("admin", {"instrument": "$made", "status": "INSTRUMENT_STATUS_HALTED"}),
    "GetQuote": ("trader", {"instrument": "$traded"}),
    "ListQuotes": ("trader", {"instruments": ["$traded"]}),
    "GetOrderBook": ("trader", {"instrument": "$traded", "depth": 5}),
    "ListMarketTrades": ("trader", {"instrument": "AAPL.XNAS", **PAGE}),
    "ListCandles": ("trader", {"instrument": "AAPL.XNAS", "interval": "CANDLE_INTERVAL_1M", **PAGE}),
    # --- identity
    "Register": (
        "nobody",
        {"username": "$own", "password": NEW_PASSWORD, "environment": "ENVIRONMENT_SIMULATION"},
    ),
    "Login": ("nobody", {"username": "$user", "password": NEW_PASSWORD, "environment": "ENVIRONMENT_SIMULATION"}),
    "RefreshTokens": ("nobody", {"refresh_token": "$refresh"}),
    "Logout": ("$login", {}),
    "GetProfile": ("trader", {}),
    "UpdateProfile": ("$login", {"display_name": "Tried"}),
    "ChangePassword": ("$login", {"current_password": NEW_PASSWORD, "new_password": "yet another horse staple"}),
    "EnrollSecondFactor": ("$login", {"password": NEW_PASSWORD}),
    "CreateApiKey": ("$login", {"name": "tried", "scopes": ["SCOPE_READ"]}),
    "ListApiKeys": ("$login", {}),
    "RevokeApiKey": ("$login", {"api_key_id": "$key"}),
    "ExchangeApiKey": ("nobody", {"secret": "$secret"}),
    "ListSessions": ("$login", {}),
    "CreateUser": ("admin", {"username": "$own", "password": NEW_PASSWORD, "roles": ["ROLE_COMPLIANCE"]}),
    "ListUsers": ("admin", {"page_size": 1}),
    "GetJsonWebKeySet": ("nobody", {}),
    "ListAuditRecords": ("admin", {"entity_type": "none-has-it", "page_size": 5}),
    "GetAuditRecord": ("admin", {"sequence": 1}),
    # --- the mesh
    "GetHealth": ("nobody", {}),
    "GetReadiness": ("nobody", {}),
    "GetMetrics": ("admin", {}),
}
"""By the names of RPCs, which differ among services; who calls is a name, or `$login`, a user of the call's own."""

VOLATILE: Final = {
    "access_token",
    "refresh_token",
    "secret",
    "otpauth_uri",
    "body",
    "latency",
    "as_of",
    "sequence",
    "account_sequence",
    "next_page_token",
    "engine_instrument_id",
    "venue_order_id",
    "version",
    "arrival",
    "symbol",
}
"""Fields whose values differ from call to call: secrets, counts of what has happened, what the market was like."""
