"""Answers that Envoy makes itself, as `google.rpc.Status` JSON.

gRPC calls are left to Envoy, which turns its answers into `grpc-status`; the request check has written its own body.
"""

from __future__ import annotations

from typing import Any

# Where the request check (gateway/lua) notes that it has answered, and the body is complete.
CHECK_NAMESPACE = "ordermesh.gateway"
CHECK_ANSWERED = "answered"

_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_BODY = "%LOCAL_REPLY_BODY%"
# HTTP status, gRPC code, reason of ordermesh.type.v1.ErrorReason, and message: Envoy's own text where it says more.
_REPLIES = (
    (400, 3, "MALFORMED_JSON", "the request is malformed (%RESPONSE_CODE_DETAILS%): " + _BODY),
    (404, 5, "UNKNOWN_ROUTE", "there is nothing at %REQ(:METHOD)% %REQ(:PATH)%"),
    (405, 12, "UNKNOWN_ROUTE", "%REQ(:PATH)% does not take %REQ(:METHOD)%"),
    (408, 4, "DEADLINE_EXCEEDED", "the request did not arrive in time"),
    (413, 3, "BATCH_TOO_LARGE", "the body is larger than the gateway takes"),
    (429, 8, "OVERLOADED", _BODY),
    (431, 3, "MALFORMED_JSON", "the headers are larger than the gateway takes"),
    (503, 14, "SERVICE_UNAVAILABLE", "the service is not reachable now: " + _BODY),
    (504, 4, "DEADLINE_EXCEEDED", "the service did not answer in time"),
)


def local_reply_config() -> dict[str, Any]:
    """Envoy's `local_reply_config`."""
    known = [_mapper(status, "EQ", code, reason, message) for status, code, reason, message in _REPLIES]
    client = _mapper(499, "LE", 3, "MALFORMED_JSON", "the request is refused (%RESPONSE_CODE_DETAILS%): " + _BODY)
    other = _mapper(500, "GE", 14, "SERVICE_UNAVAILABLE", "the gateway failed (%RESPONSE_CODE_DETAILS%): " + _BODY)
    return {"mappers": [*known, client, other]}


def _mapper(status: int, compare: str, code: int, reason: str, message: str) -> dict[str, Any]:
    detail = {"@type": _ERROR_INFO, "reason": reason, "domain": "ordermesh.dev"}
    filters = [_status(400, "GE"), _status(status, compare), _not_grpc(), _not_checked()]
    return {
        "filter": {"and_filter": {"filters": filters}},
        "body_format_override": {"json_format": {"code": code, "message": message, "details": [detail]}},
    }


def _status(status: int, compare: str) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": f"ordermesh.local_reply.{compare.lower()}_{status}"}
    return {"status_code_filter": {"comparison": {"op": compare, "value": value}}}


def _not_grpc() -> dict[str, Any]:
    """REST callers: those who did not send gRPC, and those whose request the transcoder has already made gRPC."""
    grpc = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    plain = {"header_filter": {"header": {**grpc, "invert_match": True, "treat_missing_header_as_empty": True}}}
    transcoded = {"header_filter": {"header": {"name": "x-envoy-original-method", "present_match": True}}}
    return {"or_filter": {"filters": [plain, transcoded]}}


def _not_checked() -> dict[str, Any]:
    # The value that is there must be false, or there is none: Envoy's filter does not heed `invert`.
    matcher = {"filter": CHECK_NAMESPACE, "path": [{"key": CHECK_ANSWERED}], "value": {"bool_match": False}}
    return {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": True}}
