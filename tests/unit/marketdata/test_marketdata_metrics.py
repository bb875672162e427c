"""What the service measures."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from services.marketdata.metrics import COUNTERS, FEED_CONNECTED, GAUGES, HISTORY_GAPS, MarketDataMetrics


def test_every_declared_metric_is_told_with_its_present_value() -> None:
    """Gauges and counters are read when they are asked for, under the names that are declared."""
    numbers = dict.fromkeys([*GAUGES, *COUNTERS], 0.0)
    registry = CollectorRegistry()
    MarketDataMetrics(registry, {name: (lambda name=name: numbers[name]) for name in numbers})  # type: ignore[misc]  # bound at once
    numbers[FEED_CONNECTED], numbers[HISTORY_GAPS] = 1.0, 3.0
    text = generate_latest(registry).decode()
    assert f"{FEED_CONNECTED} 1.0" in text
    assert f"{HISTORY_GAPS}_total 3.0" in text
    assert all(name in text for name in numbers)


def test_a_metric_without_a_reader_is_noticed_at_once() -> None:
    """A name that is declared but not read fails where the service is put together, not when it is scraped."""
    with pytest.raises(KeyError):
        MarketDataMetrics(CollectorRegistry(), {})
