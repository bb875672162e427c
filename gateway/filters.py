"""Envoy's HTTP connection manager and its filters."""

from __future__ import annotations

import base64
from typing import Any

from gateway.access_log import access_log, status_filter, tracing
from gateway.clusters import sharded
from gateway.cors import CORS
from gateway.local_replies import local_reply_config
from gateway.metadata import all_trailers, taken_out
from gateway.rates import address_filters, user_filters
from gateway.request_check import check_script, shard_script
from gateway.routes import CHECK, TRANSCODER
from gateway.settings import Settings
from gateway.tables import GEN, Tables
from gateway.tokens import TOKENS, token_check

SHARDS = "ordermesh.filters.http.shards"
_NETWORK_TYPES = "type.googleapis.com/envoy.extensions.filters.network"
_TYPES = "type.googleapis.com/envoy.extensions.filters.http"
# Envoy holds a direct response in memory; its default of 4 KiB is smaller than the OpenAPI document.
_MOST_PAGE_BYTES = 4 << 20
# Where a caller is, whatever they write themselves. Not `x-forwarded-for`, in which Envoy hides its own machine.
_CALLER = {
    "header": {"key": "x-ordermesh-caller-address", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"},
    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
}
# What nobody outside has a part in: what services show and tell each other, and what Envoy tells itself.
OF_THE_MESH = ("x-ordermesh-caller-address", "x-ordermesh-passed-on")
_OF_ENVOY = "x-envoy-"
# What a connection may have sent and not been read; the listener's limit bounds what waits in the other direction.
_STREAM_WINDOW, _CONNECTION_WINDOW = 1 << 20, 4 << 20
_MOST_HEADERS, _MOST_HEADER_KIB = 100, 32
# A caller that vanished without a word is found out: the services behind see Envoy, which always answers.
_KEEPALIVE = {"interval": "20s", "timeout": "10s"}


def connection_manager(settings: Settings, tables: Tables, host: dict[str, Any]) -> dict[str, Any]:
    """One connection manager for gRPC, grpc-web, REST, event streams and pages."""
    routes = {
        "name": "ordermesh",
        "virtual_hosts": [host],
        "max_direct_response_body_size_bytes": _MOST_PAGE_BYTES,
        "request_headers_to_add": [_CALLER],
    }
    return {
        "@type": f"{_NETWORK_TYPES}.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "codec_type": "AUTO",
        "route_config": routes,
        "http_filters": _filters(settings, tables),
        "local_reply_config": local_reply_config(),
        "common_http_protocol_options": {
            "idle_timeout": "300s",
            "max_headers_count": _MOST_HEADERS,
            # A route's timeout begins when the request is complete; this one is for those that never are. Streams of
            # the contracts say on their routes that they have none.
            "max_stream_duration": f"{settings.unary_timeout_seconds + settings.receive_timeout_seconds}s",
        },
        "max_request_headers_kb": _MOST_HEADER_KIB,
        "http2_protocol_options": {
            "max_concurrent_streams": 10_000,
            "initial_stream_window_size": _STREAM_WINDOW,
            "initial_connection_window_size": _CONNECTION_WINDOW,
            "connection_keepalive": _KEEPALIVE,
        },
        # A stream's final status is in its trailers; HTTP/1 callers that ask for them (TE: trailers) see it too.
        "http_protocol_options": {"enable_trailers": True},
        # A path is what the service sees: dots resolved, slashes single, an escaped slash no separator.
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "use_remote_address": True,
        "server_name": "ordermesh",
        # Streams are quiet between heartbeats.
        "stream_idle_timeout": "0s",
        # What is left of an answer once its service is done with it.
        "stream_flush_timeout": f"{settings.receive_timeout_seconds}s",
        "request_headers_timeout": f"{settings.receive_timeout_seconds}s",
        "generate_request_id": True,
        "always_set_request_id_in_response": True,
        **access_log(settings),
        **(tracing(settings) if settings.otlp is not None or settings.access_log else {}),
    }


def _filters(settings: Settings, tables: Tables) -> list[dict[str, Any]]:
    script = {"default_source_code": {"inline_string": check_script()}}
    shards = len(settings.order_shards)
    hint = [_filter(SHARDS, "lua.v3.Lua", {"default_source_code": {"inline_string": shard_script(shards)}})]
    transcoder, router = keys_filters(settings, tables)
    tokens = [_filter(TOKENS, "jwt_authn.v3.JwtAuthentication", token_check(settings))]
    return [
        _filter(CORS, "cors.v3.Cors", {}),
        _filter("envoy.filters.http.header_mutation", "header_mutation.v3.HeaderMutation", _taken_out()),
        # Before all that answers: a browser's call gets its answer in its own form.
        _filter("envoy.filters.http.grpc_web", "grpc_web.v3.GrpcWeb", {}),
        *address_filters(settings),
        *(tokens if settings.enforce_access else ()),
        *user_filters(settings),
        *(hint if sharded(settings) else ()),
        _filter(CHECK, "lua.v3.Lua", script),
        transcoder,
        *((status_filter(),) if settings.access_log else ()),
        router,
    ]


def keys_filters(settings: Settings, tables: Tables) -> tuple[dict[str, Any], dict[str, Any]]:
    """Transcoder and router: the last of all, and all that keys need on their way to the token check."""
    return (
        _filter(TRANSCODER, "grpc_json_transcoder.v3.GrpcJsonTranscoder", _transcoder(settings, tables)),
        _filter("envoy.filters.http.router", "router.v3.Router", {"suppress_envoy_headers": True}),
    )


def _taken_out() -> dict[str, Any]:
    envoys = {"remove_on_match": {"key_matcher": {"prefix": _OF_ENVOY}}}
    mutations = [*({"remove": name} for name in OF_THE_MESH), envoys, *taken_out()]
    return {"mutations": {"request_mutations": mutations, "request_trailers_mutations": [all_trailers()]}}


def _filter(name: str, type_name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{_TYPES}.{type_name}", **config}}


def _transcoder(settings: Settings, tables: Tables) -> dict[str, Any]:
    descriptors = (GEN / "descriptors" / "ordermesh.binpb").read_bytes()
    return {
        "proto_descriptor_bin": base64.b64encode(descriptors).decode(),
        "services": [service.name for service in tables.services],
        "print_options": {
            "always_print_primitive_fields": True,
            "preserve_proto_field_names": True,
            "stream_sse_style_delimited": True,
        },
        # The REST route keeps its timeout; by default the gRPC path would be routed anew.
        "match_incoming_request_route": True,
        "convert_grpc_status": True,
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
        "max_request_body_size": settings.max_request_bytes,
        "max_response_body_size": settings.max_response_bytes,
    }
