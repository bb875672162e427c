"""Rendering Envoy's configuration."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import render as command
from gateway.render import render
from gateway.settings import Address, SettingsError, from_environment
from gateway.tables import load_tables
from tests.unit.gateway.configurations import SETTINGS, SHARDED, TABLES, manager, routes


def test_the_same_settings_give_the_same_text() -> None:
    """Nothing of time or machine is in it."""
    assert render(SETTINGS, TABLES) == render(SETTINGS, TABLES)


def test_callers_are_asked_whether_they_are_there() -> None:
    """Within 30 s a stream whose caller is gone ends, so that the service behind it learns of it."""
    keepalive = manager()["http2_protocol_options"]["connection_keepalive"]
    assert keepalive == {"interval": "20s", "timeout": "10s"}


def test_where_a_caller_is_the_gateway_says() -> None:
    """What the caller wrote in its place is gone."""
    [header] = manager()["route_config"]["request_headers_to_add"]
    assert header["header"]["key"] == "x-ordermesh-caller-address"
    assert header["append_action"] == "OVERWRITE_IF_EXISTS_OR_ADD"


def test_each_area_is_a_checked_cluster() -> None:
    """Every component has its address and its health check, and gets no calls while that says no."""
    clusters = {
        cluster["name"]: cluster for cluster in json.loads(render(SETTINGS, TABLES))["static_resources"]["clusters"]
    }

    assert clusters.keys() == {"order", "system"}
    endpoint = clusters["order"]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    assert endpoint["address"]["socket_address"] == {"address": "orders", "port_value": 7001}
    assert clusters["order"]["health_checks"][0]["grpc_health_check"] == {}
    assert clusters["order"]["common_lb_config"]["healthy_panic_threshold"] == {"value": 0}


def test_streams_have_no_timeout_and_calls_have() -> None:
    """By gRPC and by REST alike."""
    limits = {
        next(iter(route["match"].get(key) for key in ("path", "prefix") if key in route["match"])): route["route"][
            "timeout"
        ]
        for route in routes()
        if "timeout" in route.get("route", {}) and "safe_regex" not in route["match"]
    }

    assert limits == {
        "/ordermesh.order.v1.OrderService/StreamOrders": "0s",
        "/ordermesh.order.v1.OrderService/": "15.0s",
        "/ordermesh.system.v1.SystemService/": "15.0s",
        "/grpc.reflection.v1.ServerReflection/": "15.0s",
        "/grpc.reflection.v1alpha.ServerReflection/": "15.0s",
        "/health": "15.0s",
        "/api/v1/orders": "15.0s",
        "/api/v1/stream/orders": "0s",
    }


def test_the_request_check_is_told_what_to_compare_with() -> None:
    """A REST route carries the request's type, its body and what its path binds."""
    (told,) = [
        route["metadata"]["filter_metadata"]["envoy.filters.http.lua"]
        for route in routes()
        if "order_id" in str(route.get("metadata"))
    ]

    assert told == {"input": "GetOrderRequest", "body": "", "bound": "order_id"}


def test_every_known_path_refuses_other_methods() -> None:
    """The last routes are 405 for known paths, with their methods, and 404 for the rest."""
    last = routes()[-5:]

    assert [route["direct_response"]["status"] for route in last] == [405, 405, 405, 405, 404]
    assert [route["response_headers_to_add"][0]["header"]["value"] for route in last[:-1]] == [
        "GET",
        "POST",
        "GET",
        "GET",
    ]
    assert last[3]["match"]["safe_regex"]["regex"] == "/api/v1/orders/[^/]+"


def test_only_named_origins_may_call() -> None:
    """Pages of this machine always; others as listed; a star is everybody."""
    settings = from_environment(
        {
            "ORDERMESH_ORDER_ADDRESS": "a:1",
            "ORDERMESH_SYSTEM_ADDRESS": "b:2",
            "ORDERMESH_GATEWAY_CORS_ORIGINS": "https://trade.example,*",
        },
        TABLES.areas,
    )
    host = manager(settings)["route_config"]["virtual_hosts"][0]
    allowed = host["typed_per_filter_config"]["envoy.filters.http.cors"]["allow_origin_string_match"]

    assert allowed[1:] == [{"exact": "https://trade.example"}, {"safe_regex": {"regex": ".*"}}]


def test_logs_and_traces_are_off_unless_asked_for() -> None:
    """An access log and a trace collector are the environment's to name."""
    assert "access_log" not in manager()
    assert "tracing" not in manager()
    asked = from_environment(
        {
            "ORDERMESH_ORDER_ADDRESS": "a:1",
            "ORDERMESH_SYSTEM_ADDRESS": "b:2",
            "ORDERMESH_GATEWAY_ACCESS_LOG": "/dev/stdout",
            "ORDERMESH_GATEWAY_OTLP_ADDRESS": "collector:4317",
        },
        TABLES.areas,
    )
    assert manager(asked)["access_log"][0]["typed_config"]["path"] == "/dev/stdout"
    assert manager(asked)["tracing"]["provider"]["typed_config"]["service_name"] == "gateway"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "ORDERMESH_ORDER_ADDRESS is not set: expected host:port"),
        ({"ORDERMESH_ORDER_ADDRESS": "here"}, "ORDERMESH_ORDER_ADDRESS is 'here': expected host:port"),
        ({"ORDERMESH_ORDER_ADDRESS": "here:70000"}, "ORDERMESH_ORDER_ADDRESS is 'here:70000': expected host:port"),
        (
            {"ORDERMESH_GATEWAY_MAX_REQUEST_BYTES": "0", "ORDERMESH_ORDER_ADDRESS": "[::1]:1"},
            "ORDERMESH_GATEWAY_MAX_REQUEST_BYTES is '0': expected a whole number, 1 or more",
        ),
    ],
)
def test_a_bad_setting_is_named(environment: dict[str, str], told: str) -> None:
    """One line says which variable is wrong, what it holds and what is expected."""
    with pytest.raises(SettingsError) as failure:
        from_environment(environment, frozenset({"order"}))

    assert str(failure.value) == told


def test_the_command_writes_a_file_or_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With all addresses it writes the configuration; without one it says so in a line and ends with 2."""
    for area in load_tables().areas:
        monkeypatch.setenv(f"ORDERMESH_{area.upper()}_ADDRESS", "127.0.0.1:7000")
    output = tmp_path / "envoy.json"
    assert command.main(["--output", str(output)]) == 0
    assert json.loads(output.read_text(encoding="utf-8"))["node"]["id"] == "gateway"

    monkeypatch.delenv("ORDERMESH_ORDER_ADDRESS")
    assert command.main(["--output", str(output)]) == 2
    assert capsys.readouterr().err == "ORDERMESH_ORDER_ADDRESS is not set: expected host:port\n"


def test_shards_are_one_cluster_that_a_named_account_finds_its_way_in() -> None:
    """Any shard takes any call; what tells one from the other is its number."""
    clusters = {
        cluster["name"]: cluster for cluster in json.loads(render(SHARDED, TABLES))["static_resources"]["clusters"]
    }
    assert clusters.keys() == {"order", "system"}
    (locality,) = clusters["order"]["load_assignment"]["endpoints"]
    assert [
        (each["endpoint"]["address"]["socket_address"]["address"], each["metadata"]["filter_metadata"]["envoy.lb"])
        for each in locality["lb_endpoints"]
    ] == [("orders", {"shard": "0"}), ("orders-b", {"shard": "1"})]
    assert clusters["order"]["lb_subset_config"]["fallback_policy"] == "ANY_ENDPOINT"
    (script,) = [
        each["typed_config"]["default_source_code"]["inline_string"]
        for each in manager(SHARDED)["http_filters"]
        if each["name"] == "ordermesh.filters.http.shards"
    ]
    assert script.startswith("local SHARDS = 2\n")


def test_only_calls_that_a_dead_shard_has_not_got_are_sent_to_another() -> None:
    """A call that may have been carried out is the caller's to send again; other areas have nowhere else to go."""
    policies = {
        route["route"]["cluster"]: route["route"].get("retry_policy", {}).get("retry_on")
        for route in routes(SHARDED)
        if "timeout" in route.get("route", {})
    }
    assert policies == {"order": "connect-failure,refused-stream", "system": None}


def test_one_shard_is_no_shard() -> None:
    """Where there is one, the configuration is what it is without shards."""
    alone = replace(SETTINGS, order_shards=(Address("orders", 7001),))
    assert render(alone, TABLES) == render(SETTINGS, TABLES)
    assert "filters.http.shards" not in render(SETTINGS, TABLES)


def test_the_addresses_of_shards_are_read_in_their_order() -> None:
    """With commas between; a malformed one is told with its variable."""
    environment = {"ORDERMESH_ORDER_ADDRESS": "a:1", "ORDERMESH_ORDER_SHARD_ADDRESSES": "a:1, b:2"}
    assert from_environment(environment, frozenset({"order"})).order_shards == (Address("a", 1), Address("b", 2))
    with pytest.raises(SettingsError, match="ORDERMESH_ORDER_SHARD_ADDRESSES is 'b'"):
        from_environment(environment | {"ORDERMESH_ORDER_SHARD_ADDRESSES": "a:1,b"}, frozenset({"order"}))
