"""Money and instruments."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.kernel.errors import CodedError
from services.kernel.instrument import InstrumentId
from services.kernel.money import Money


@pytest.mark.parametrize("text", ["AAPL.XNAS", "BTC-USDT.BINANCE", "EUR-USD.SIM", "ES_Z6.XCME", "A.BC"])
def test_an_instrument_reads_and_writes_as_symbol_and_venue(text: str) -> None:
    """The name of an instrument comes back as it was."""
    instrument = InstrumentId.parse(text)
    assert str(instrument) == text
    assert (instrument.symbol, instrument.venue) == tuple(text.split("."))


@pytest.mark.parametrize(
    "text", ["", "AAPL", "AAPL.", ".XNAS", "aapl.XNAS", "A.B.C", "AAPL.XN AS", "AAPL.XNAS\n", "A" * 40 + ".X"]
)
def test_a_malformed_instrument_names_the_field(text: str) -> None:
    """What is not SYMBOL.VENUE is refused."""
    with pytest.raises(CodedError, match=r"instrument: must be SYMBOL\.VENUE"):
        InstrumentId.parse(text)


def test_money_adds_within_its_currency() -> None:
    """Sums are exact."""
    assert Money.parse("0.1", "USD") + Money.parse("0.2", "USD") == Money(Decimal("0.3"), "USD")
    assert str(-(Money.parse("1.5", "USD") - Money.parse("2", "USD"))) == "0.5 USD"
    assert Money.parse("1", "USD") < Money.parse("2", "USD")


def test_currencies_do_not_mix() -> None:
    """Adding dollars to euros is a fault of the program."""
    with pytest.raises(ValueError, match="do not mix"):
        Money.parse("1", "USD") + Money.parse("1", "EUR")


def test_a_currency_code_is_checked() -> None:
    """A currency that is not a code is refused."""
    with pytest.raises(CodedError, match="currency"):
        Money.parse("1", "usd")
