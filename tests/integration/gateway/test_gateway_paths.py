"""Tricks with paths, at a real Envoy that wants tokens: however one is written, it leads nowhere without one."""

from __future__ import annotations

from typing import Final

import pytest

from tests.fakes.gateway_upstream import Upstream
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.written import only_answer, request

INTERNAL: Final = "ordermesh.risk.v1.ReservationService/Reserve"
GRPC: Final = "/ordermesh.order.v1.OrderService"
LOGIN: Final = "/ordermesh.identity.v1.IdentityService/Login"
FOR_EVERYBODY: Final = (b"<title>Ordermesh API", b"<!doctype", b'"openapi"', b"grpc-status")
"""What is told without a token: the page, its document, and refusals of gRPC."""
PATHS: Final = (
    *("/api/v1/auth%2fprofile", "/api/v1/auth%2Fprofile", "/api/v1/auth%5cprofile", "/api/v1/auth\\profile"),
    *("/api/v1/auth/profile/", "/api/v1/auth/profile;x=1", "/api/v1/auth/profile.", "/api/v1/auth/profile%00"),
    *("/api/v1/AUTH/profile", "/API/v1/auth/profile", "/api/v1/auth/profile%20", "/api/v1/auth/profile%0a"),
    *("/api/v1/auth/profile/..%2f..%2fusers", "/api/v1/auth/profile/%2e%2e/%2e%2e/users", "/health/../api/v1/users"),
    *("/health/%2e%2e/api/v1/users", "/health/..%2fapi/v1/users", "/health/..;/api/v1/users", "/health%2f..%2fusers"),
    *("//api/v1/users", "///api///v1///users", "/./api/v1/users", "/api/v1/./users", "/api/v1/users/."),
    *("/docs/../api/v1/users", "/openapi.json/../api/v1/users", "/.well-known/jwks.json/../../api/v1/users"),
    *("/api/v1/users?x=/health", "/api/v1/users#/health", "/api/v1/users?", "/api/v1/%75sers", "/%61pi/v1/users"),
    *("/api/v1/users\t", "/api/v1/us\u00e9rs", "/api/v1/\u00ff\u00fe", "/api/v1/users%", "/api/v1/users%zz"),
    *("/metrics", "/metrics/../metrics", "/stats", "/config_dump", "/server_info", "/quitquitquit", "/admin"),
    *("/api/v1/orders/", "/api/v1/../v1/orders", "/api/v1/orders;x=/docs", "/api/v1/orders#/docs", "\\api\\v1\\orders"),
    *("/api/v1/auth/login/../../orders", "/api/v1/auth/login/..;/../orders", "/api/v1/auth/login/%2e%2e/%2e%2e/orders"),
    *("/docs/..%2fapi/v1/orders", "/docs/..%5capi/v1/orders", "/docs%2f..%2fapi/v1/orders", "/api/v1/orders%00/docs"),
    *("/api/v1/orders%3f", "/docs?/../api/v1/orders", f"{GRPC}/ListOrders", f"{LOGIN}/../..{GRPC}/ListOrders"),
    *(f"/{INTERNAL}", f"//{INTERNAL}", f"/./{INTERNAL}", f"/health/../{INTERNAL}", f"/{INTERNAL}/"),
    *(f"/{INTERNAL.replace('.', '%2e')}", f"/{INTERNAL.replace('/', '%2f')}", f"/{INTERNAL.lower()}"),
    *("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "/grpc.health.v1.Health/Check"),
    *("*", "/" + "a" * 7_000, "/" + "a/" * 3_000, "/api/v1/orders/" + "%41" * 2_000, "/" + "../" * 500 + "etc/passwd"),
)


@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [(), ("content-type: application/grpc",), ("x-envoy-original-path: /docs", "x-original-url: /docs")],
    ids=["plain", "grpc", "rewritten"],
)
def test_no_spelling_of_a_path_leads_around_the_token(
    guarded: Gateway, upstream: Upstream, verb: str, headers: tuple[str, ...]
) -> None:
    """Escaped, doubled, climbing, in other letters, beside what is public: refused, and no service hears of it."""
    before = len(upstream.seen.requests)
    for path in PATHS:
        status, answer = only_answer(guarded, request(f"{verb} {path}", *headers))
        assert status in {200, 302, 307, *range(400, 500)}, (path, answer)
        if status == 200 and verb != "HEAD":
            assert any(each in answer for each in FOR_EVERYBODY), (path, answer)
        assert b"root:" not in answer
    assert len(upstream.seen.requests) == before


URIS: Final = (
    *("http://evil.example/api/v1/users", "https://evil.example:443/api/v1/users", "http://127.0.0.1:1/api/v1/users"),
    *("file:///etc/passwd", "http://evil.example@127.0.0.1/api/v1/users", "http://x/api/v1/orders"),
)


@pytest.mark.parametrize("uri", URIS)
def test_an_absolute_uri_leads_nowhere_else(guarded: Gateway, uri: str) -> None:
    """The gateway is no proxy: it answers for itself, and asks for a token."""
    for line in (f"GET {uri}", f"CONNECT {uri}", "CONNECT 127.0.0.1:22", f"TRACE {uri}"):
        status, answer = only_answer(guarded, request(line))
        assert 400 <= status < 500, (line, answer)


def test_hosts_make_no_difference(guarded: Gateway, upstream: Upstream) -> None:
    """Nor does a name that is the gateway's own for its keys."""
    before = len(upstream.seen.requests)
    for host in ("keys", "order", "localhost", "127.0.0.1:9901", "x\\x", "[::1]", "evil.example", ""):
        status, answer = only_answer(guarded, request("GET /api/v1/orders", f"host: {host}"))
        assert status in {400, 401}, (host, answer)
    assert len(upstream.seen.requests) == before
