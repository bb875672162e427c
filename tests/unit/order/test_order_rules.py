"""What an order must satisfy before it is entered."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from services.kernel.errors import CodedError, ErrorKind
from services.order.domain import refusals, rules
from services.order.domain.order import Order
from services.order.domain.terms import fingerprint_of
from services.order.domain.values import OrderStatus, OrderType, Side, TimeInForce
from tests.fakes.orders import AAPL, placed, terms


def refusal(instrument: Any = AAPL, at_ns: int = 0, **changes: Any) -> CodedError:
    """Returns the error that an order is refused with."""
    with pytest.raises(CodedError) as caught:
        rules.check(terms(**changes), instrument, at_ns)
    return caught.value


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"limit_price": None}, "LIMIT_PRICE_MISMATCH", "limit_price"),
        ({"type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}, "LIMIT_PRICE_MISMATCH", "limit_price"),
        ({"type": OrderType.MARKET, "limit_price": None}, "TIME_IN_FORCE_MISMATCH", "time_in_force"),
        ({"limit_price": "187.255"}, "PRICE_OFF_TICK", "limit_price"),
        ({"quantity": "1.5"}, "QUANTITY_OFF_LOT", "quantity"),
        ({"quantity": "1000001"}, "QUANTITY_OUT_OF_RANGE", "quantity"),
        ({"limit_price": "999999999999999999"}, "PRICE_OUT_OF_RANGE", "limit_price"),
    ],
)
def test_a_bad_order_is_refused_with_reason_and_field(changes: dict[str, Any], reason: str, field: str) -> None:
    """Each rule has a reason of the contract, and names the field at fault."""
    error = refusal(**changes)
    assert (error.kind, error.reason) == (ErrorKind.INVALID, reason)
    assert [violation.field for violation in error.violations] == [field]


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
def test_a_market_order_is_allowed_at_once_only(time_in_force: TimeInForce) -> None:
    """A market order takes IOC or FOK and no price."""
    rules.check(terms(type=OrderType.MARKET, time_in_force=time_in_force, limit_price=None), AAPL, 0)


@pytest.mark.parametrize("time_in_force", [each for each in TimeInForce if each is not TimeInForce.GTD])
def test_a_limit_order_takes_any_time_in_force(time_in_force: TimeInForce) -> None:
    """A limit order on tick and lot is allowed."""
    rules.check(terms(time_in_force=time_in_force), AAPL, 0)


def test_a_quantity_below_the_least_is_refused() -> None:
    """The bounds of the instrument are named."""
    error = refusal(replace(AAPL, min_quantity=Decimal(10)), quantity="9")
    assert error.reason == "QUANTITY_OUT_OF_RANGE"
    assert "from 10 to 1000000" in error.message


def test_a_halted_instrument_takes_no_orders() -> None:
    """A halt is a state of the system, not a fault of the request."""
    error = refusal(replace(AAPL, trading=False))
    assert (error.kind, error.reason) == (ErrorKind.PRECONDITION, "INSTRUMENT_NOT_TRADING")


def test_an_expired_future_takes_no_orders() -> None:
    """From its expiry on, an instrument does not trade."""
    future = replace(AAPL, expires_at_ns=100)
    rules.check(terms(), future, 99)
    assert refusal(future, 100).reason == "INSTRUMENT_NOT_TRADING"


def test_steps_of_any_size_are_exact() -> None:
    """Ticks that binary fractions cannot hold are checked exactly."""
    coin = replace(AAPL, tick_size=Decimal("0.1"), lot_size=Decimal("0.00000001"), min_quantity=Decimal("0.00000001"))
    rules.check(terms(quantity="0.3", limit_price="0.3"), coin, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"side": Side.SELL},
        {"quantity": "101"},
        {"limit_price": "187.26"},
        {"time_in_force": TimeInForce.DAY},
        {"instrument": "MSFT.XNAS"},
        {"connection_id": "other"},
    ],
)
def test_another_request_has_another_fingerprint(changes: dict[str, Any]) -> None:
    """Whatever is asked differently makes another request."""
    assert fingerprint_of(terms(**changes)) != fingerprint_of(terms())


def test_the_same_values_have_the_same_fingerprint() -> None:
    """The way a number is written does not matter, nor do the ids made here."""
    assert fingerprint_of(terms(quantity="100.0", limit_price="187.250")) == fingerprint_of(terms())


def test_a_repeated_request_gets_the_order_and_another_one_an_error() -> None:
    """The fingerprint decides."""
    order = placed()
    again = terms(order.terms.client_order_id)
    assert refusals.outcome(order, again) is order
    other = refusals.outcome(order, terms(order.terms.client_order_id, quantity="1"))
    assert isinstance(other, CodedError)
    assert (other.kind, other.reason) == (ErrorKind.ALREADY_EXISTS, "DUPLICATE_CLIENT_ORDER_ID")


def test_an_ended_order_cannot_be_canceled() -> None:
    """The error says how it ended."""
    order = Order(terms(), OrderStatus.FILLED, sequence=1, created_at_ns=1)
    error = refusals.not_live(order)
    assert (error.reason, error.metadata["order_status"]) == ("ORDER_NOT_LIVE", "FILLED")
