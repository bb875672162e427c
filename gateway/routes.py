"""Envoy's routes: gRPC paths of the public services, REST paths of their annotations, and the static pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.clusters import sharded
from gateway.cors import CORS, cors
from gateway.metadata import unreadable
from gateway.rates import as_login
from gateway.settings import Settings
from gateway.tables import PublicService, RestRoute, Tables
from gateway.tokens import without_token

TRANSCODER = "envoy.filters.http.grpc_json_transcoder"
CHECK = "envoy.filters.http.lua"
SYSTEM = "system"

# Streams tell a heartbeat far more often; what is silent for longer is a request that does not end.
_STREAM_IDLE = "600s"
_LATER_SECONDS = 1.0
_GRPC = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
_FILTER_CONFIG = "type.googleapis.com/envoy.config.route.v3.FilterConfig"


def virtual_host(settings: Settings, tables: Tables, pages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All routes, and what browsers of other origins may do."""
    # What Envoy answers by itself is everybody's to see.
    answered = [*pages, _redirect("/", "/docs")], [*_other_verbs(tables.routes), _direct({"prefix": "/"}, 404)]
    first, last = ([_free(settings, route) for route in routes] for routes in answered)
    return {
        "name": "ordermesh",
        "domains": ["*"],
        "typed_per_filter_config": {CORS: cors(settings)},
        "routes": [
            *(_free(settings, _direct(match, status, text)) for match, status, text in unreadable()),
            _preflight(settings, tables),
            *(route for service in tables.services for route in _grpc_routes(settings, service)),
            *_reflection(settings),
            # gRPC to any other path is no method: a REST route would pass it on as it is.
            _free(settings, _direct({"prefix": "/", "headers": [_GRPC]}, 404)),
            *first,
            *(_rest_route(settings, route) for route in tables.routes),
            *last,
        ],
    }


def page(path: str, content_type: str, body: str) -> dict[str, Any]:
    """A static page held in the configuration itself."""
    match = {"path": path, "headers": [_verb("GET")]}
    return {**_direct(match, 200, body), "response_headers_to_add": [_header("content-type", content_type)]}


def _preflight(settings: Settings, tables: Tables) -> dict[str, Any]:
    """Where the CORS filter answers: it leaves direct responses alone, so there is a cluster, which is not called."""
    asks: list[dict[str, Any]] = [_verb("OPTIONS"), {"name": "access-control-request-method", "present_match": True}]
    return _free(settings, {"match": {"prefix": "/", "headers": asks}, "route": {"cluster": min(tables.areas)}})


def _grpc_routes(settings: Settings, service: PublicService) -> Iterator[dict[str, Any]]:
    for name in service.streams:
        yield _grpc_route({"path": f"/{service.name}/{name}"}, _call(settings, service.area, stream=True))
    call = _call(settings, service.area, stream=False)
    for name in service.public:
        match, read = {"path": f"/{service.name}/{name}"}, name.startswith("Get")
        free = _free(settings, _grpc_route(match, call))
        yield free if read else _login(settings, free)
    yield _grpc_route({"prefix": f"/{service.name}/"}, call)


def _reflection(settings: Settings) -> Iterator[dict[str, Any]]:
    """SystemService tells of all public services, as the OpenAPI document does; a client asks, and is done."""
    for version in ("v1", "v1alpha"):
        match = {"prefix": f"/grpc.reflection.{version}.ServerReflection/"}
        yield _free(settings, _grpc_route(match, _call(settings, SYSTEM, stream=False)))


def _grpc_route(match: dict[str, Any], call: dict[str, Any]) -> dict[str, Any]:
    # Only gRPC itself: anything else under such a path is an unknown route, not a call with a strange body.
    return {"match": {**match, "headers": [_GRPC]}, **call, "typed_per_filter_config": _as_it_is()}


def _rest_route(settings: Settings, route: RestRoute) -> dict[str, Any]:
    # Read by the request check: what to compare the query and the body with.
    known = {"input": route.input, "body": route.body, "bound": ",".join(route.bound)}
    if route.needed:
        known["needed"] = "yes"
    result: dict[str, Any] = {
        "match": {**_path_match(route.path), "headers": [_verb(route.verb)]},
        **_call(settings, route.area, stream=route.stream),
        "metadata": {"filter_metadata": {CHECK: known}},
        "response_headers_to_remove": ["grpc-accept-encoding"],
    }
    if route.stream:
        # Proxies on the way must neither keep nor collect events.
        result["response_headers_to_add"] = [_header("cache-control", "no-cache"), _header("x-accel-buffering", "no")]
        result["route"]["idle_timeout"] = _STREAM_IDLE
    if route.public:
        result = _free(settings, result)
        return _login(settings, result) if route.verb == "POST" else result
    return result


def _free(settings: Settings, route: dict[str, Any]) -> dict[str, Any]:
    """The route, without a token."""
    return _with(route, without_token() if settings.enforce_access else {})


def _login(settings: Settings, route: dict[str, Any]) -> dict[str, Any]:
    """The route, counted as one of those that begin a login or go on with one."""
    return _with(route, as_login(settings))


def _with(route: dict[str, Any], per_filter: dict[str, Any]) -> dict[str, Any]:
    """The route, with more configuration for filters."""
    if not per_filter:
        return route
    return {**route, "typed_per_filter_config": {**route.get("typed_per_filter_config", {}), **per_filter}}


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
        lasting = {"max_stream_duration": "0s"}
        return {
            "route": {"cluster": area, "timeout": "0s", "idle_timeout": "0s", "max_stream_duration": lasting, **again}
        }
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
    return {"match": match, "direct_response": reply, "typed_per_filter_config": _as_it_is()}


def _redirect(path: str, to: str) -> dict[str, Any]:
    return {
        "match": {"path": path},
        "redirect": {"path_redirect": to, "response_code": "FOUND"},
        "typed_per_filter_config": _as_it_is(),
    }


def _as_it_is() -> dict[str, Any]:
    """Neither checked nor transcoded."""
    off = {"@type": _FILTER_CONFIG, "disabled": True}
    return {CHECK: off, TRANSCODER: off}
