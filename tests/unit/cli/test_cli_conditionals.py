"""Orders that wait for a price, on the command line: as options are read, and in words."""

from __future__ import annotations

import pytest
import typer

from ordermesh.order.v1.order_pb2 import Order
from ordermesh.order.v1.trailing_stop_pb2 import TrailingStop
from ordermesh.type.v1 import trading_pb2
from services.cli import terms


@pytest.mark.parametrize(
    ("options", "type_"),
    [
        (("", "", "5", ""), trading_pb2.ORDER_TYPE_MARKET_IF_TOUCHED),
        (("4", "", "5", ""), trading_pb2.ORDER_TYPE_LIMIT_IF_TOUCHED),
        (("", "", "", "1%"), trading_pb2.ORDER_TYPE_TRAILING_STOP),
        (("", "5", "", "1%"), trading_pb2.ORDER_TYPE_TRAILING_STOP),
        (("4", "5", "", ""), trading_pb2.ORDER_TYPE_STOP_LIMIT),
        (("", "", "", ""), trading_pb2.ORDER_TYPE_MARKET),
    ],
)
def test_the_type_is_that_of_what_an_order_waits_for(
    options: tuple[str, str, str, str], type_: trading_pb2.OrderType.ValueType
) -> None:
    """By limit, stop, touch and trail."""
    assert terms.conditional_type_of(*options) == type_


@pytest.mark.parametrize("options", [("", "5", "5", ""), ("", "", "5", "1%"), ("4", "", "", "1%")])
def test_an_order_waits_for_one_thing(options: tuple[str, str, str, str]) -> None:
    """What does not go together is wrong usage."""
    with pytest.raises(typer.BadParameter):
        terms.conditional_type_of(*options)


@pytest.mark.parametrize(
    ("text", "read", "words"),
    [
        ("2.5", TrailingStop(amount="2.5"), "2.5 behind the market"),
        ("1.5%", TrailingStop(percent="1.5"), "1.5% behind the market"),
        ("20t", TrailingStop(ticks=20), "20 ticks behind the market"),
    ],
)
def test_a_distance_is_read_and_told(text: str, read: TrailingStop, words: str) -> None:
    """A price, per cent or ticks."""
    assert terms.trailing_of(text) == read
    order = Order(type=trading_pb2.ORDER_TYPE_TRAILING_STOP, trailing_stop=read, stop_price="95")
    assert terms.price_in_words(order) == f" at the market from 95 on, {words}"


@pytest.mark.parametrize("text", ["t", "-1t", "1.5t", "9999999999t"])
def test_a_number_of_ticks_that_is_none_is_wrong_usage(text: str) -> None:
    """Other forms are the contract's to judge."""
    with pytest.raises(typer.BadParameter):
        terms.trailing_of(text)


def test_what_an_order_waits_for_in_words() -> None:
    """A touched price, and what was released."""
    touched = Order(type=trading_pb2.ORDER_TYPE_LIMIT_IF_TOUCHED, stop_price="105", limit_price="104")
    assert terms.price_in_words(touched) == " at 104 or better once 105 is touched"
    touched.triggered = True
    assert terms.price_in_words(touched) == " at 104 or better, released at 105"
    assert terms.trailing_of("") is None
