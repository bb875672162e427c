"""Envoy's routes: gRPC paths of the public services, REST paths of their annotations, and the static pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.clusters import sharded
from gateway.settings import Settings
from gateway.tables import PublicService, RestRoute, Tables

TRANSCODER = "envoy.filters.http.grpc_json_transcoder"
CHECK = "envoy.filters.http.lua"
CORS = "envoy.filters.http.cors"
SYSTEM = "system"

_REQUEST_HEADERS = (
    "authorization",
    "content-type",
    "grpc-timeout",
    "last-event-id",
    "traceparent",
    "x-grpc-web",
    "x-ordermesh-account",
    "x-request-id",
    "x-user-agent",
)
_OF_THE_MESH = ("x-ordermesh-service-token", "x-ordermesh-passed-on")
"""What services show and tell each other: nobody outside has a part in it."""
_LATER_SECONDS = 1.0
_FILTER_CONFIG = "type.googleapis.com/envoy.config.route.v3.FilterConfig"


def virtual_host(settings: Settings, tables: Tables, pages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All routes, and what browsers of other origins may do."""
    return {
        "name": "ordermesh",
        "domains": ["*"],
        "typed_per_filter_config": {CORS: _cors(settings)},
        "request_headers_to_remove": list(_OF_THE_MESH),
        "routes": [
            _preflight(tables),
            *(route for service in tables.services for route in _grpc_routes(settings, service)),
            *_reflection(settings),
            *pages,
            _redirect("/", "/docs"),
            *(_rest_route(settings, route) for route in tables.routes),
            *_other_verbs(tables.routes),
            _direct({"prefix": "/"}, 404),
        ],
    }


def page(path: str, content_type: str, body: str) -> dict[str, Any]:
    """A static page held in the configuration itself."""
    match = {"path": path, "headers": [_verb("GET")]}
    return {**_direct(match, 200, body), "response_headers_to_add": [_header("content-type", content_type)]}


def _preflight(tables: Tables) -> dict[str, Any]:
    """Where the CORS filter answers: it leaves direct responses alone, so there is a cluster, which is not called."""
    asks: list[dict[str, Any]] = [_verb("OPTIONS"), {"name": "access-control-request-method", "present_match": True}]
    return {"match": {"prefix": "/", "headers": asks}, "route": {"cluster": min(tables.areas)}}


def _grpc_routes(settings: Settings, service: PublicService) -> Iterator[dict[str, Any]]:
    for name in service.streams:
        yield _grpc_route(settings, {"path": f"/{service.name}/{name}"}, service.area, stream=True)
    yield _grpc_route(settings, {"prefix": f"/{service.name}/"}, service.area, stream=False)


def _reflection(settings: Settings) -> Iterator[dict[str, Any]]:
    """SystemService tells of all public services, as the OpenAPI document does; a client asks, and is done."""
    for version in ("v1", "v1alpha"):
        match = {"prefix": f"/grpc.reflection.{version}.ServerReflection/"}
        yield _grpc_route(settings, match, SYSTEM, stream=False)


def _grpc_route(settings: Settings, match: dict[str, Any], area: str, *, stream: bool) -> dict[str, Any]:
    # Only gRPC itself: anything else under such a path is an unknown route, not a call with a strange body.
    grpc = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    return {"match": {**match, "headers": [grpc]}, **_call(settings, area, stream=stream), **_as_it_is()}


def _rest_route(settings: Settings, route: RestRoute) -> dict[str, Any]:
    # Read by the request check: what to compare the query and the body with.
    known = {"input": route.input, "body": route.body, "bound": ",".join(route.bound)}
    result: dict[str, Any] = {
        "match": {**_path_match(route.path), "headers": [_verb(route.verb)]},
        **_call(settings, route.area, stream=route.stream),
        "metadata": {"filter_metadata": {CHECK: known}},
        "response_headers_to_remove": ["grpc-accept-encoding"],
    }
    if route.stream:
        # Proxies on the way must neither keep nor collect events.
        result["response_headers_to_add"] = [_header("cache-control", "no-cache"), _header("x-accel-buffering", "no")]
    return result


def _other_verbs(routes: Sequence[RestRoute]) -> Iterator[dict[str, Any]]:
    """Known paths called by another method, each once: 405 with the methods there are."""
    for path in dict.fromkeys(route.path for route in routes):
        allowed = ", ".join(sorted({route.verb for route in routes if _covers(route.path, path)}))
        yield {**_direct(_path_match(path), 405), "response_headers_to_add": [_header("allow", allowed)]}


def _covers(path: str, other: str) -> bool:
    return re.fullmatch(_pattern(path), other.replace("{", "").replace("}", "")) is not None


def _call(settings: Settings, area: str, *, stream: bool) -> dict[str, Any]:
    """Streams end when they end; other calls when the caller's deadline passes, and no later than ours."""
    again = _another_shard() if area == sharded(settings) else {}
    if stream:
        return {"route": {"cluster": area, "timeout": "0s", "idle_timeout": "0s", **again}}
    seconds = settings.unary_timeout_seconds
    # Told to the service when the caller names no deadline, so that nobody works for nobody. Ours passes first: it is
    # answered with reason and details, while a server whose deadline passes says nothing but its code.
    deadline = {"header": {"key": "grpc-timeout", "value": f"{round((seconds + _LATER_SECONDS) * 1000)}m"}}
    return {
        "route": {"cluster": area, "timeout": f"{seconds}s", **again},
        "request_headers_to_add": [{**deadline, "append_action": "ADD_IF_ABSENT"}],
    }


def _another_shard() -> dict[str, Any]:
    """A call that a shard has not got goes to another: it takes a moment until one that has died is known as dead."""
    policy = {
        "retry_on": "connect-failure,refused-stream",
        "num_retries": 2,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                },
            }
        ],
        "host_selection_retry_max_attempts": 3,
    }
    return {"retry_policy": policy}


def _path_match(path: str) -> dict[str, Any]:
    return {"safe_regex": {"regex": _pattern(path)}} if "{" in path else {"path": path}


def _pattern(path: str) -> str:
    """One segment for each field; a field's value holds no colon at the end, where a custom verb would stand."""
    return "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]*\})", path))


def _header(name: str, value: str) -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _verb(verb: str) -> dict[str, Any]:
    return {"name": ":method", "string_match": {"exact": verb}}


def _direct(match: dict[str, Any], status: int, body: str = "") -> dict[str, Any]:
    reply: dict[str, Any] = {"status": status}
    if body:
        reply["body"] = {"inline_string": body}
    return {"match": match, "direct_response": reply, **_as_it_is()}


def _redirect(path: str, to: str) -> dict[str, Any]:
    return {"match": {"path": path}, "redirect": {"path_redirect": to, "response_code": "FOUND"}, **_as_it_is()}


def _as_it_is() -> dict[str, Any]:
    """Neither checked nor transcoded."""
    off = {"@type": _FILTER_CONFIG, "disabled": True}
    return {"typed_per_filter_config": {CHECK: off, TRANSCODER: off}}


def _cors(settings: Settings) -> dict[str, Any]:
    own = {"safe_regex": {"regex": r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"}}
    others = [
        {"safe_regex": {"regex": ".*"}} if origin == "*" else {"exact": origin} for origin in settings.cors_origins
    ]
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [own, *others],
        "allow_methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
        "allow_headers": ", ".join(_REQUEST_HEADERS),
        "expose_headers": "grpc-status, grpc-message, grpc-status-details-bin, x-request-id",
        "max_age": "86400",
    }
