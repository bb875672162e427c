"""Risk and broker connections over REST and Server-Sent Events, through the real gateway."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from tests.fixtures.events import events
from tests.fixtures.trader import Trader
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]

INSTRUMENT = "JPM.XNYS"
RISK = "/api/v1/risk"


@pytest.fixture
def account(someone: Trader) -> str:
    """The account of a trader of the test's own."""
    return someone.account_id


def order(account: str, **changes: Any) -> dict[str, Any]:
    """Returns the JSON of a limit order."""
    return {
        "client_order_id": uuid.uuid4().hex,
        "account_id": account,
        "instrument": INSTRUMENT,
        "side": "SIDE_BUY",
        "type": "ORDER_TYPE_LIMIT",
        "time_in_force": "TIME_IN_FORCE_GTC",
        "quantity": "10",
        "limit_price": "200",
        **changes,
    }


async def set_limits(rest: httpx.AsyncClient, account: str, path: str = "parameters", **values: Any) -> dict[str, Any]:
    """Sets an account's parameters."""
    answer = await rest.put(f"{RISK}/{path}", json={"account_id": account, **values})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def detail(answer: httpx.Response, name: str) -> dict[str, Any]:
    """Returns a detail of an error by the end of its type's name."""
    found: dict[str, Any] = next(each for each in answer.json()["details"] if each["@type"].endswith(name))
    return found


async def test_limits_are_set_read_and_felt(rest: httpx.AsyncClient, account: str, someone: Trader) -> None:
    """A limit set by PUT, under either path, refuses the next order with rule, limit and observed value."""
    told = await set_limits(rest, account, max_order_size="5.50")
    assert told["parameters"]["max_order_size"] == "5.5"
    assert told["parameters"]["version"] == 1
    refused = await someone.rest.post("/api/v1/orders", json=order(account))
    assert refused.status_code == 400
    assert detail(refused, "ErrorInfo")["reason"] == "RISK_LIMIT_EXCEEDED"
    breach = detail(refused, "RiskBreach")
    assert (breach["rule"], breach["limit"], breach["observed"], breach["unit"]) == (
        "RISK_RULE_MAX_ORDER_SIZE",
        "5.5",
        "10",
        "units",
    )
    await set_limits(rest, account, "limits", max_order_size="0", version=1)
    accepted = await someone.rest.post("/api/v1/orders", json=order(account))
    assert accepted.status_code == 200, accepted.text
    for path in ("parameters", "limits"):
        read = (await rest.get(f"{RISK}/{path}", params={"account_id": account})).json()
        assert (read["parameters"]["max_order_size"], read["parameters"]["version"]) == ("0", 2)
        assert read["effective"]["price_band_percent"] == "20"


async def test_stale_version_and_bad_values_are_refused(rest: httpx.AsyncClient, account: str) -> None:
    """An old version, a limit that is no decimal, and an unknown field are refused; nothing changes."""
    await set_limits(rest, account, max_order_size="5")
    stale = await rest.put(f"{RISK}/parameters", json={"account_id": account, "version": 7})
    assert (stale.status_code, detail(stale, "ErrorInfo")["reason"]) == (409, "VERSION_MISMATCH")
    bad = await rest.put(f"{RISK}/parameters", json={"account_id": account, "max_order_size": "-1"})
    assert bad.status_code == 400
    assert detail(bad, "BadRequest")["field_violations"][0]["field"] == "parameters.max_order_size"
    unknown = await rest.put(f"{RISK}/parameters", json={"account_id": account, "max_order_sise": "1"})
    assert unknown.status_code == 400
    nobody = await rest.get(f"{RISK}/parameters", params={"account_id": "nobody-at-all"})
    assert (nobody.status_code, detail(nobody, "ErrorInfo")["reason"]) == (403, "PERMISSION_DENIED")
    read = (await rest.get(f"{RISK}/parameters", params={"account_id": account})).json()
    assert (read["parameters"]["max_order_size"], read["parameters"]["version"]) == ("5", 1)


async def test_refusals_trip_the_breaker_and_a_reset_closes_it(
    rest: httpx.AsyncClient, account: str, someone: Trader
) -> None:
    """Refusals open the breaker where it is told so; orders are refused until it is reset."""
    breaker = (await rest.get(f"{RISK}/circuit-breaker", params={"account_id": account})).json()["circuit_breaker"]
    assert (breaker["state"], breaker["enabled"]) == ("CIRCUIT_BREAKER_STATE_CLOSED", True)
    await set_limits(rest, account, max_order_size="5", circuit_breaker_refusals=2)
    for _ in range(2):
        assert (await someone.rest.post("/api/v1/orders", json=order(account))).status_code == 400
    small = await someone.rest.post("/api/v1/orders", json=order(account, quantity="1"))
    assert detail(small, "ErrorInfo")["reason"] == "CIRCUIT_BREAKER_OPEN"
    breaker = (await rest.get(f"{RISK}/circuit-breaker", params={"account_id": account})).json()["circuit_breaker"]
    assert breaker["state"] == "CIRCUIT_BREAKER_STATE_OPEN"
    reset = await rest.post(f"{RISK}/circuit-breaker/reset", json={"account_id": account, "text": "looked into"})
    assert reset.status_code == 200, reset.text
    assert reset.json()["circuit_breaker"]["state"] == "CIRCUIT_BREAKER_STATE_CLOSED"
    assert (await someone.rest.post("/api/v1/orders", json=order(account, quantity="1"))).status_code == 200


async def test_alerts_are_listed_and_streamed(rest: httpx.AsyncClient, account: str, someone: Trader) -> None:
    """A refusal is an alert: on the stream as it comes, in the list afterwards."""
    await set_limits(rest, account, max_order_size="5")
    async with rest.stream("GET", "/api/v1/stream/alerts", params={"account_id": account}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = events(response)
        begun = [await anext(stream) for _ in range(2)]
        assert ["subscribed" in begun[0], "snapshot_begin" in begun[1]] == [True] * 2
        # The account is new: what there is concerns the firm.
        while "snapshot_end" not in (message := await anext(stream)):
            assert {each["account_id"] for each in message["snapshot"]["alerts"]} == {""}
        assert (await someone.rest.post("/api/v1/orders", json=order(account))).status_code == 400
        async with asyncio.timeout(10):
            while "update" not in (message := await anext(stream)):
                pass
    [alert] = message["update"]["alerts"]
    assert (alert["kind"], alert["reason"], alert["occurrences"]) == (
        "RISK_ALERT_KIND_ORDER_REFUSED",
        "ERROR_REASON_RISK_LIMIT_EXCEEDED",
        1,
    )
    listed = (await rest.get(f"{RISK}/alerts", params={"account_id": account})).json()
    assert [each["alert_id"] for each in listed["alerts"] if each["account_id"]] == [alert["alert_id"]]


async def test_metrics_follow_orders_and_fills(
    rest: httpx.AsyncClient, account: str, someone: Trader, other: Trader
) -> None:
    """Open orders are exposure as soon as they are accepted, fills are position as soon as they are booked."""
    # The best price in the book: what other tests left there does not come first.
    placed = (await someone.rest.post("/api/v1/orders", json=order(account, limit_price="203"))).json()["order"]
    counter = await other.rest.post(
        "/api/v1/orders", json=order(other.account_id, side="SIDE_SELL", quantity="4", limit_price="203")
    )
    assert counter.status_code == 200, counter.text

    async def ask() -> dict[str, Any]:
        told: dict[str, Any] = (await rest.get(f"{RISK}/metrics", params={"account_id": account})).json()["metrics"]
        return told

    def settled(metrics: dict[str, Any]) -> bool:
        return any(each["position"] == "4" for each in metrics["exposures"])

    metrics = await eventually(ask, settled)
    [exposure] = metrics["exposures"]
    assert (exposure["open_buy_quantity"], exposure["most_long"], metrics["day_trades"]) == ("6", "10", 1)
    await someone.rest.delete(f"/api/v1/orders/{placed['order_id']}")
    metrics = await eventually(ask, lambda told: told["open_orders"] == 0)
    assert metrics["exposures"][0]["most_long"] == "4"


async def test_broker_connection_from_first_to_last(
    rest: httpx.AsyncClient, account: str, someone: Trader, other: Trader
) -> None:
    """Made, told, listed, changed, traded through as an account's default, asked for its books, and deleted."""
    name = f"b{uuid.uuid4().hex[:10]}"
    path = f"/api/v1/brokers/{name}"
    made = await rest.post(
        "/api/v1/brokers",
        json={
            "connection_id": name,
            "adapter": "simulation",
            "environment": "ENVIRONMENT_SIMULATION",
            "credentials": {"api_key": "top-secret"},
            "default_account_ids": [account],
        },
    )
    assert made.status_code == 200, made.text
    assert "top-secret" not in made.text

    async def ask() -> dict[str, Any]:
        told: dict[str, Any] = (await rest.get(path)).json()["connection"]
        return told

    connection = await eventually(ask, lambda told: told["state"] == "CONNECTION_STATE_UP")
    assert (connection["credential_names"], connection["version"]) == (["api_key"], 1)
    listed = (await rest.get("/api/v1/brokers")).json()["connections"]
    assert {name, "simulation"} <= {each["connection_id"] for each in listed}
    capabilities = (await rest.get(f"{path}/capabilities")).json()["capabilities"]
    types = ["ORDER_TYPE_MARKET", "ORDER_TYPE_LIMIT", "ORDER_TYPE_STOP", "ORDER_TYPE_STOP_LIMIT"]
    assert capabilities["order_types"] == types

    placed = (await someone.rest.post("/api/v1/orders", json=order(account, limit_price="201"))).json()["order"]

    async def open_orders() -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = (await rest.get(f"{path}/orders")).json()["orders"]
        return told

    [resting] = await eventually(open_orders, lambda told: len(told) == 1)
    assert (resting["order_id"], resting["leaves_quantity"]) == (placed["order_id"], "10")
    in_use = await rest.delete(path)
    assert detail(in_use, "ErrorInfo")["reason"] == "CONNECTION_IN_USE"
    await other.rest.post("/api/v1/orders", json=order(other.account_id, side="SIDE_SELL", limit_price="201"))
    assert await eventually(open_orders, lambda told: not told) == []
    funds = (await rest.get(f"{path}/funds")).json()["funds"]
    assert [(each["currency"], each["balance"]) for each in funds] == [("USD", "-2010")]
    [position] = (await rest.get(f"{path}/positions")).json()["positions"]
    assert (position["quantity"], position["average_price"]) == ("10", "201")
    changed = await rest.put(path, json={"display_name": "Renamed", "version": 1})
    assert changed.json()["connection"]["display_name"] == "Renamed"
    assert (await rest.delete(path)).status_code == 200
    gone = await rest.get(path)
    assert (gone.status_code, detail(gone, "ErrorInfo")["reason"]) == (404, "UNKNOWN_CONNECTION")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"adapter": "nobody"}, "adapter"),
        ({"adapter": ""}, "adapter"),
    ],
)
async def test_bad_connection_names_its_field(rest: httpx.AsyncClient, changes: dict[str, str], field: str) -> None:
    """A connection that cannot be is refused, naming the field."""
    wanted = {"adapter": "simulation", "environment": "ENVIRONMENT_SIMULATION", **changes}
    answer = await rest.post("/api/v1/brokers", json=wanted)
    assert answer.status_code == 400
    assert detail(answer, "BadRequest")["field_violations"][0]["field"] == field


async def test_a_connection_of_the_other_world_is_not_made(rest: httpx.AsyncClient) -> None:
    """Whoever keeps the simulation's connections makes none for real money."""
    wanted = {"adapter": "simulation", "environment": "ENVIRONMENT_LIVE"}
    answer = await rest.post("/api/v1/brokers", json=wanted)
    assert (answer.status_code, detail(answer, "ErrorInfo")["reason"]) == (403, "PERMISSION_DENIED")
