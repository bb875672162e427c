"""What the configuration guards with: tokens, limits, TLS, bounds."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.rates import ADDRESSES, LOGINS, USERS
from gateway.render import render
from gateway.settings import Rate, SettingsError, from_environment
from gateway.tables import PublicService, RestRoute
from gateway.tokens import TOKENS
from tests.unit.gateway.configurations import SETTINGS, SHARDED, TABLES, manager

NEEDED = {"ORDERMESH_ORDER_ADDRESS": "a:1", "ORDERMESH_SYSTEM_ADDRESS": "b:2"}


def test_plain_text_stays_on_the_loopback_interface() -> None:
    """Elsewhere only where somebody says that nobody else reaches it."""
    for host in ("127.0.0.1", "127.8.9.10", "localhost", "[::1]"):
        assert from_environment(NEEDED | {"ORDERMESH_GATEWAY_ADDRESS": f"{host}:80"}, TABLES.areas).listen.port == 80
    for host in ("[::]", "[::1:2]", "[::1234]", "127.elsewhere.example", "localhost.elsewhere.example", "0.0.0.0"):
        named = re.escape(host.strip("[]"))
        with pytest.raises(SettingsError, match=f"ORDERMESH_GATEWAY_ADDRESS is '{named}': without TLS"):
            from_environment(NEEDED | {"ORDERMESH_GATEWAY_ADDRESS": f"{host}:80"}, TABLES.areas)
    elsewhere = NEEDED | {"ORDERMESH_GATEWAY_ADDRESS": "0.0.0.0:80"}
    allowed = from_environment(elsewhere | {"ORDERMESH_GATEWAY_PLAINTEXT_ANYWHERE": "true"}, TABLES.areas)
    assert allowed.listen.host == "0.0.0.0"


def test_tls_is_a_listener_beside_the_plain_one(tmp_path: Path) -> None:
    """With the files of its certificate, which must be there."""
    environment = NEEDED | {"ORDERMESH_GATEWAY_TLS_ADDRESS": "0.0.0.0:8443"}
    with pytest.raises(SettingsError, match="ORDERMESH_GATEWAY_TLS_CERTIFICATE_FILE is not set: expected a file"):
        from_environment(environment, TABLES.areas)
    for name in ("CERTIFICATE", "KEY"):
        file = tmp_path / name
        file.write_text("")
        environment[f"ORDERMESH_GATEWAY_TLS_{name}_FILE"] = str(file)
    settings = from_environment(environment, TABLES.areas)
    plain, tls = json.loads(render(settings, TABLES))["static_resources"]["listeners"]
    assert (plain["name"], tls["name"]) == ("gateway", "gateway_tls")
    assert tls["address"]["socket_address"] == {"address": "0.0.0.0", "port_value": 8443}
    [told] = tls["filter_chains"]
    assert told["transport_socket"]["typed_config"]["common_tls_context"]["alpn_protocols"] == ["h2", "http/1.1"]
    assert told["filters"] == plain["filter_chains"][0]["filters"]


def test_every_route_wants_a_token_but_those_that_say_not() -> None:
    """The rule is for all paths; what the tables call public, pages and Envoy's own answers are taken out of it."""
    tables = replace(
        TABLES,
        services=(PublicService("ordermesh.order.v1.OrderService", "order", ("StreamOrders",), ("GetKeys", "Login")),),
        routes=(
            RestRoute("GET", "/health", "/x", "system", "HealthRequest", "", (), stream=False, public=True),
            RestRoute("POST", "/api/v1/orders", "/x", "order", "PlaceOrderRequest", "*", (), stream=False),
        ),
    )
    settings = replace(SETTINGS, enforce_access=True)
    listener = json.loads(render(settings, tables))["static_resources"]["listeners"][0]
    managed = listener["filter_chains"][0]["filters"][0]["typed_config"]
    [check] = [each for each in managed["http_filters"] if each["name"] == TOKENS]
    assert check["typed_config"]["rules"] == [{"match": {"prefix": "/"}, "requires": {"provider_name": "identity"}}]
    guarded = [
        next(route["match"][key] for key in ("path", "prefix") if key in route["match"])
        for route in managed["route_config"]["virtual_hosts"][0]["routes"]
        if TOKENS not in route.get("typed_per_filter_config", {})
    ]
    assert guarded == [
        "/ordermesh.order.v1.OrderService/StreamOrders",
        "/ordermesh.order.v1.OrderService/",
        "/api/v1/orders",
    ]


def test_limits_are_settings_and_zero_is_none() -> None:
    """A rate without a burst may take twice of it at once."""
    settings = from_environment(
        NEEDED
        | {
            "ORDERMESH_GATEWAY_USER_RATE": "5",
            "ORDERMESH_GATEWAY_LOGIN_RATE": "0",
            "ORDERMESH_GATEWAY_ADDRESS_RATE": "7",
            "ORDERMESH_GATEWAY_ADDRESS_BURST": "8",
        },
        TABLES.areas,
    )
    assert (settings.user_rate, settings.address_rate) == (Rate(5, 10), Rate(7, 8))
    names = [each["name"] for each in manager(settings)["http_filters"]]
    assert (ADDRESSES in names, LOGINS in names, USERS in names) == (True, False, False)
    assert USERS in [each["name"] for each in manager(replace(settings, enforce_access=True))["http_filters"]]


def test_each_service_has_its_breaker_and_shards_are_spared() -> None:
    """A service that hangs ends at its own bounds; outliers are looked for only where there is somewhere else to go."""
    for settings in (SETTINGS, SHARDED):
        for cluster in json.loads(render(replace(settings, max_calls=7), TABLES))["static_resources"]["clusters"]:
            [bounds] = cluster["circuit_breakers"]["thresholds"]
            assert bounds["max_requests"] == 7
            assert bounds["max_pending_requests"] < 10_000
            assert ("outlier_detection" in cluster) == (settings is SHARDED and cluster["name"] == "order")


@pytest.mark.parametrize("value", ["maybe", "2"])
def test_a_bad_flag_is_named(value: str) -> None:
    """Neither true nor false would be an open door, or a shut one, by accident."""
    with pytest.raises(SettingsError, match=f"ORDERMESH_ENFORCE_ACCESS is '{value}': expected true or false"):
        from_environment(NEEDED | {"ORDERMESH_ENFORCE_ACCESS": value}, TABLES.areas)


def test_keys_are_told_at_a_socket_that_nobody_else_can_take_or_use(tmp_path: Path) -> None:
    """Its owner's, beside the configuration; where there can be no such file, one with a name by chance."""

    def socket(output: Path | None) -> dict[str, object]:
        told = json.loads(render(replace(SETTINGS, enforce_access=True), TABLES, output))["static_resources"]
        [listener] = [each for each in told["listeners"] if each["name"] == "keys"]
        [cluster] = [each for each in told["clusters"] if each["name"] == "keys"]
        [place] = cluster["load_assignment"]["endpoints"]
        assert place["lb_endpoints"] == [{"endpoint": {"address": listener["address"]}}]
        pipe: dict[str, object] = listener["address"]["pipe"]
        return pipe

    assert socket(tmp_path / "envoy.json") == {"path": f"{tmp_path}/envoy.keys.sock", "mode": 0o600}
    for output in (None, tmp_path / ("d" * 100) / "envoy.json"):
        names = {str(socket(output)["path"]) for _ in range(2)}
        assert len(names) == 2
        assert all(name.startswith("@ordermesh-keys-") for name in names)


def test_envoy_is_administered_at_an_address_or_at_a_socket_of_its_owners() -> None:
    """At a socket nobody else of the machine may end it, or read all that it holds."""
    there = NEEDED | {"ORDERMESH_GATEWAY_ADMIN_ADDRESS": "127.0.0.1:9"}
    told = json.loads(render(from_environment(there, TABLES.areas), TABLES))["admin"]["address"]
    assert told == {"socket_address": {"address": "127.0.0.1", "port_value": 9}}
    here = NEEDED | {"ORDERMESH_GATEWAY_ADMIN_ADDRESS": "unix:/run/admin.sock"}
    told = json.loads(render(from_environment(here, TABLES.areas), TABLES))["admin"]["address"]
    assert told == {"pipe": {"path": "/run/admin.sock", "mode": 0o600}}
