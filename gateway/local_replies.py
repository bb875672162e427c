"""Answers that Envoy makes itself, as `google.rpc.Status`: JSON for REST, status headers with details for gRPC.

The request check has written its own body, and is left alone.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from gateway.tokens import FAILURE, TOKENS

# Where the request check (gateway/lua) notes that it has answered, and the body is complete.
CHECK_NAMESPACE = "ordermesh.gateway"
CHECK_ANSWERED = "answered"

RETRY_SECONDS = 1
DOMAIN = "ordermesh.dev"
_PREFIX = "type.googleapis.com"
_BODY = "%LOCAL_REPLY_BODY%"
_NOTHING = "%REQ(X-NOTHING)%"
_DETAILS = "%RESPONSE_CODE_DETAILS%"
# What the token check says when it has no keys: a word of Envoy's, which a test holds it to.
_KEYS_NOT_FETCHED = "Jwks remote fetch is failed"


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer of Envoy's.

    Attributes:
        status: HTTP status that it is for.
        code: gRPC code.
        reason: Of ordermesh.type.v1.ErrorReason.
        text: What gRPC callers are told.
        more: What REST callers are told in its place; Envoy's own text where it says more.
        retry: Whether it may go better in a second.
        compare: How the status is compared.
        told_as: HTTP status that REST callers see in its place.
    """

    status: int
    code: int
    reason: str
    text: str
    more: str = ""
    retry: bool = False
    compare: str = "EQ"
    told_as: int | None = None


_UNVERIFIED = _Reply(401, 14, "SERVICE_UNAVAILABLE", "access tokens cannot be verified now", retry=True, told_as=503)
# The first that fits is taken.
_REPLIES = (
    _Reply(
        400,
        3,
        "MALFORMED_JSON",
        "the gateway refuses the request as malformed",
        f"the request is malformed ({_DETAILS}): {_BODY}",
    ),
    _Reply(401, 16, "INVALID_TOKEN", "this wants a good access token: authorization: Bearer <token>"),
    # A good token that is for another audience.
    _Reply(403, 16, "INVALID_TOKEN", "this wants a good access token: authorization: Bearer <token>", told_as=401),
    _Reply(404, 12, "UNKNOWN_ROUTE", "there is no such method", "there is nothing at %REQ(:METHOD)% %REQ(:PATH)%"),
    _Reply(405, 12, "UNKNOWN_ROUTE", "there is no such method", "%REQ(:PATH)% does not take %REQ(:METHOD)%"),
    _Reply(408, 4, "DEADLINE_EXCEEDED", "the request did not arrive in time"),
    _Reply(413, 3, "BATCH_TOO_LARGE", "the body is larger than the gateway takes"),
    _Reply(429, 8, "RATE_LIMITED", "more requests than the gateway lets through: try again later", retry=True),
    _Reply(431, 3, "MALFORMED_JSON", "the headers are larger than the gateway takes"),
    _Reply(
        503,
        14,
        "SERVICE_UNAVAILABLE",
        "the service is not reachable now",
        f"the service is not reachable now: {_BODY}",
        retry=True,
    ),
    _Reply(504, 4, "DEADLINE_EXCEEDED", "the service did not answer in time"),
    _Reply(
        499,
        3,
        "MALFORMED_JSON",
        "the gateway refuses the request",
        f"the request is refused ({_DETAILS}): {_BODY}",
        compare="LE",
    ),
    _Reply(
        500,
        14,
        "SERVICE_UNAVAILABLE",
        "the gateway failed",
        f"the gateway failed ({_DETAILS}): {_BODY}",
        compare="GE",
    ),
)
# The code that REST bodies say where gRPC has another word for the same: NOT_FOUND for what gRPC calls UNIMPLEMENTED.
_REST_CODES = {404: 5}


def local_reply_config() -> dict[str, Any]:
    """Envoy's `local_reply_config`."""
    mappers = [mapper for reply in _REPLIES for mapper in (_for_rest(reply), _for_grpc(reply))]
    return {"mappers": [_for_rest(_UNVERIFIED, _no_keys()), _for_grpc(_UNVERIFIED, _no_keys()), *mappers]}


def _for_rest(reply: _Reply, *more: dict[str, Any]) -> dict[str, Any]:
    details: list[dict[str, Any]] = [
        {"@type": f"{_PREFIX}/google.rpc.ErrorInfo", "reason": reply.reason, "domain": DOMAIN}
    ]
    if reply.retry:
        details.append({"@type": f"{_PREFIX}/google.rpc.RetryInfo", "retry_delay": f"{RETRY_SECONDS}s"})
    code = _REST_CODES.get(reply.status, reply.code)
    body = {"code": code, "message": reply.more or reply.text, "details": details}
    return {
        "filter": all_of(
            status_is(400, "GE"), status_is(reply.status, reply.compare), from_rest(), _not_checked(), *more
        ),
        "body_format_override": {"json_format": body},
        **({"status_code": reply.told_as} if reply.told_as else {}),
        **_added({"retry-after": str(RETRY_SECONDS)} if reply.retry else {}),
    }


def _for_grpc(reply: _Reply, *more: dict[str, Any]) -> dict[str, Any]:
    """Clients compare the message with that of the details, which are fixed: so is the message.

    There is no body: grpc-web would take one for messages.
    """
    told: list[Message] = [ErrorInfo(reason=reply.reason, domain=DOMAIN)]
    if reply.retry:
        again = RetryInfo()
        again.retry_delay.FromSeconds(RETRY_SECONDS)
        told.append(again)
    status = Status(code=reply.code, message=reply.text)
    for each in told:
        packed = AnyMessage()
        packed.Pack(each)
        status.details.append(packed)
    headers = {
        "grpc-status": str(reply.code),
        "grpc-message": reply.text,
        "grpc-status-details-bin": base64.b64encode(status.SerializeToString(deterministic=True)).decode(),
        **({"retry-after": str(RETRY_SECONDS)} if reply.retry else {}),
    }
    return {
        "filter": all_of(status_is(400, "GE"), status_is(reply.status, reply.compare), from_grpc(), *more),
        "body_format_override": {"text_format_source": {"inline_string": _NOTHING}, "omit_empty_values": True},
        "status_code": 200,
        **_added(headers),
    }


def _added(headers: dict[str, str]) -> dict[str, Any]:
    # Formatted: a percent sign would begin a command.
    return {
        "headers_to_add": [
            {
                "header": {"key": key, "value": value.replace("%", "%%")},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
            for key, value in headers.items()
        ]
    }


def all_of(*filters: dict[str, Any]) -> dict[str, Any]:
    """A filter that wants all of some."""
    return {"and_filter": {"filters": list(filters)}}


def status_is(status: int, compare: str) -> dict[str, Any]:
    """A filter by the HTTP status."""
    value = {"default_value": status, "runtime_key": f"ordermesh.local_reply.{compare.lower()}_{status}"}
    return {"status_code_filter": {"comparison": {"op": compare, "value": value}}}


def _header(name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"header_filter": {"header": {"name": name, **value}}}


_GRPC_TYPE = {"string_match": {"prefix": "application/grpc"}}
_TRANSCODED = "x-envoy-original-method"


def from_rest() -> dict[str, Any]:
    """A filter for REST callers: those who did not send gRPC, and those whose request is made gRPC already."""
    plain = _header("content-type", {**_GRPC_TYPE, "invert_match": True, "treat_missing_header_as_empty": True})
    return {"or_filter": {"filters": [plain, _header(_TRANSCODED, {"present_match": True})]}}


def from_grpc() -> dict[str, Any]:
    """A filter for callers of gRPC and grpc-web."""
    return all_of(
        _header("content-type", _GRPC_TYPE), _header(_TRANSCODED, {"present_match": True, "invert_match": True})
    )


def _not_checked() -> dict[str, Any]:
    # The value that is there must be false, or there is none: Envoy's filter does not heed `invert`.
    matcher = {"filter": CHECK_NAMESPACE, "path": [{"key": CHECK_ANSWERED}], "value": {"bool_match": False}}
    return {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": True}}


def _no_keys() -> dict[str, Any]:
    value = {"string_match": {"exact": _KEYS_NOT_FETCHED}}
    matcher = {"filter": TOKENS, "path": [{"key": FAILURE}, {"key": "message"}], "value": value}
    return {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": False}}
