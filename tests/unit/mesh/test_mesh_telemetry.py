"""Names, log lines and traces."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from contextvars import copy_context

import pytest
import structlog

from services.mesh import names
from services.mesh.context import Call, enter_call
from services.mesh.telemetry import Telemetry, configure_logging

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged, with everything as it was afterwards."""
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    level = root.level
    stream = io.StringIO()
    configure_logging("note", "info", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """Returns the log lines."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def declared(group: type) -> dict[str, str]:
    """Returns the names that a group declares."""
    return {key: value for key, value in vars(group).items() if key.isupper()}


def test_names_of_metrics_follow_prometheus() -> None:
    """Lower case, our prefix, and the unit or `total` at the end where there is one."""
    for key, name in declared(names.Metric).items():
        assert re.fullmatch(r"ordermesh_[a-z_]+", name), key
    assert names.Metric.SERVER_CALL_SECONDS.endswith("_seconds")
    assert names.Metric.SERVER_CALLS.endswith("_total")


@pytest.mark.parametrize("group", [names.Metric, names.Label, names.Attribute, names.Key])
def test_each_name_is_declared_once(group: type) -> None:
    """Two keys never mean the same name, and no name has blanks or capitals."""
    values = list(declared(group).values())
    assert len(values) == len(set(values))
    assert all(re.fullmatch(r"[a-z_.]+", value) for value in values)


def test_a_log_line_is_json_with_service_time_and_level(written: io.StringIO) -> None:
    """Lines of the standard library look the same; lines below the level are not written."""
    structlog.stdlib.get_logger("a").info("told", count=3)
    structlog.stdlib.get_logger("a").debug("not told")
    logging.getLogger("library").warning("%s told", "too")
    first, second = lines(written)
    assert (first["event"], first["service"], first["level"], first["count"]) == ("told", "note", "info", 3)
    assert (second["event"], second["service"], second["level"]) == ("too told", "note", "warning")
    assert "timestamp" in first
    assert "trace_id" not in first


def test_a_log_line_of_a_call_has_its_trace(written: io.StringIO) -> None:
    """The caller's trace, and a span of our own."""

    def serve() -> None:
        enter_call(Call("/a/b", None, f"00-{TRACE}-00f067aa0ba902b7-01"))
        structlog.stdlib.get_logger("a").info("told")

    copy_context().run(serve)
    [line] = lines(written)
    assert line["trace_id"] == TRACE
    assert re.fullmatch(r"[0-9a-f]{16}", str(line["span_id"]))
    assert line["span_id"] != "00f067aa0ba902b7"


def test_a_traceback_shows_no_values(written: io.StringIO) -> None:
    """Local variables may be secrets."""

    def fail() -> None:
        password = "hunter" + "2"
        raise ValueError(len(password))

    try:
        fail()
    except ValueError:
        structlog.stdlib.get_logger("a").exception("failed")
    assert "hunter2" not in written.getvalue()
    [line] = lines(written)
    assert line["exception"][0]["exc_type"] == "ValueError"  # type: ignore[index]  # JSON: a list of dicts


@pytest.mark.parametrize("traceparent", [None, "", "garbage", "00-short-00f067aa0ba902b7-01"])
def test_a_call_without_a_trace_begins_one(traceparent: str | None) -> None:
    """The header that it hands on is a valid one."""
    call = Call("/a/b", None, traceparent)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", call.traceparent)
    assert call.trace_id in call.traceparent


def test_without_an_endpoint_nothing_stands_in_the_way_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """No interceptors of gRPC; with an endpoint, those of OpenTelemetry."""
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    silent = Telemetry.start("note")
    assert silent.server_interceptors() == []
    assert silent.client_interceptors() == []
    telling = Telemetry.start("note", "http://127.0.0.1:1")
    assert len(telling.server_interceptors()) == 1
    assert len(telling.client_interceptors()) == 4
    telling.close()
