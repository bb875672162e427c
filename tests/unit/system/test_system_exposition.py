"""Merging the Prometheus text of several services."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from services.system.domain.exposition import merge


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What a Prometheus server would read."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_sample_says_whose_it_is() -> None:
    """The same metric of two services stays two, with one announcement of its kind, all its lines together."""
    text = merge(
        {
            "order": '# HELP calls Calls.\n# TYPE calls counter\ncalls 1\n# TYPE x gauge\nx{a="b"} 2\n',
            "risk": "# HELP calls Calls.\n# TYPE calls counter\ncalls 3\n",
        }
    )

    assert text.splitlines() == [
        "# HELP up Whether the metrics of a service could be read.",
        "# TYPE up gauge",
        'up{service="order"} 1',
        'up{service="risk"} 1',
        "# HELP calls Calls.",
        "# TYPE calls counter",
        'calls{service="order"} 1',
        'calls{service="risk"} 3',
        "# TYPE x gauge",
        'x{service="order",a="b"} 2',
    ]


def test_a_silent_service_is_down_and_hides_nobody() -> None:
    """A service that cannot be read has `up` 0; the others are told."""
    text = merge({"order": None, "risk": "y 1"})

    assert 'up{service="order"} 0' in text
    assert 'y{service="risk"} 1' in text


def test_labels_of_any_content_survive() -> None:
    """Braces, commas, quotes and line ends within a label's value do not confuse; a label `service` is kept aside."""
    line = r'z{path="/a{b},\"c\"\n",service="inner"} 4 1700000000000'

    assert merge({"order": line}).splitlines()[-1] == (
        r'z{service="order",path="/a{b},\"c\"\n",exported_service="inner"} 4 1700000000000'
    )


def test_what_prometheus_writes_comes_through_whole() -> None:
    """Counters, gauges and histograms of the client library keep every sample and value."""
    registry = CollectorRegistry()
    Counter("orders", "Orders.", ["side"], registry=registry).labels("buy").inc(3)
    Gauge("depth", "Depth.", registry=registry).set(-1.5)
    Histogram("wait_seconds", "Waits.", registry=registry).observe(0.2)
    plain = generate_latest(registry).decode()

    merged = samples(merge({"order": plain}))
    expected = {(name, labels | {("service", "order")}): value for (name, labels), value in samples(plain).items()}
    assert merged == {**expected, ("up", frozenset({("service", "order")})): 1.0}
