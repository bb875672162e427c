"""The instruments that a new installation begins with: each of a kind, with the steps that their venues use."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from services.kernel.instrument import InstrumentId
from services.marketdata.domain.instrument import AssetClass, Terms

ES_EXPIRY = datetime(2027, 12, 17, 14, 30, tzinfo=UTC)
"""E-mini S&P 500 futures end at 9:30 New York time on the third Friday of their month (CME rulebook, chapter 358)."""


def seed_terms() -> tuple[Terms, ...]:
    """Returns the terms, in the order of their numbers."""
    return (
        _equity("AAPL.XNAS", "Apple Inc.", "USD", "0.01"),
        _equity("MSFT.XNAS", "Microsoft Corporation", "USD", "0.01"),
        _equity("NVDA.XNAS", "NVIDIA Corporation", "USD", "0.01"),
        _equity("JPM.XNYS", "JPMorgan Chase & Co.", "USD", "0.01"),
        _equity("RELIANCE.XNSE", "Reliance Industries Limited", "INR", "0.1"),
        _crypto("BTC-USDT.BINANCE", "Bitcoin in Tether", "0.00001"),
        _crypto("ETH-USDT.BINANCE", "Ether in Tether", "0.0001"),
        _fx("EUR-USD.LMAX", "Euro in US dollars", "USD", "0.00001"),
        _fx("USD-JPY.LMAX", "US dollar in Japanese yen", "JPY", "0.001"),
        Terms(
            name=InstrumentId.parse("ESZ7.XCME"),
            description="E-mini S&P 500 future, December 2027",
            asset_class=AssetClass.FUTURE,
            currency="USD",
            tick_size=Decimal("0.25"),
            lot_size=Decimal(1),
            min_quantity=Decimal(1),
            max_quantity=Decimal(3000),
            contract_multiplier=Decimal(50),
            expires_at=ES_EXPIRY,
        ),
    )


def _equity(name: str, description: str, currency: str, tick: str) -> Terms:
    return _spot(name, description, AssetClass.EQUITY, currency, _Steps(tick, "1", "1000000"))


def _crypto(name: str, description: str, lot: str) -> Terms:
    return _spot(name, description, AssetClass.CRYPTO, "USDT", _Steps("0.01", lot, "9000"))


def _fx(name: str, description: str, currency: str, tick: str) -> Terms:
    return _spot(name, description, AssetClass.FX, currency, _Steps(tick, "1000", "50000000"))


class _Steps(NamedTuple):
    tick: str
    lot: str
    most: str


def _spot(name: str, description: str, kind: AssetClass, currency: str, steps: _Steps) -> Terms:
    return Terms(
        name=InstrumentId.parse(name),
        description=description,
        asset_class=kind,
        currency=currency,
        tick_size=Decimal(steps.tick),
        lot_size=Decimal(steps.lot),
        min_quantity=Decimal(steps.lot),
        max_quantity=Decimal(steps.most),
        contract_multiplier=Decimal(1),
    )
