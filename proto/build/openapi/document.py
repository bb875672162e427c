"""The OpenAPI document as a whole."""

from __future__ import annotations

import json
from typing import Any

from proto.build.model import Contract
from proto.build.openapi.operations import FAILURES, TOKEN, operation
from proto.build.openapi.schemas import Schemas, short_name
from proto.build.template import routes

_STATUS = "google.rpc.Status"
# What `google.rpc.Status.details` may hold.
_DETAILS = (
    "google.rpc.ErrorInfo",
    "google.rpc.BadRequest",
    "google.rpc.RetryInfo",
    "google.rpc.QuotaFailure",
    "ordermesh.type.v1.RiskBreach",
    "ordermesh.system.v1.ComponentReport",
)
_REASONS = "ordermesh.type.v1.ErrorReason"
_ABOUT = """\
The REST face of Ordermesh. Every operation is an RPC of the contracts in `proto/`, and takes and gives the same \
messages as JSON; field names are those of the contracts.

Prices, quantities and money are decimal strings. 64-bit integers are strings. Times are RFC 3339 in UTC.

A field or parameter that the request does not have is an error, as is a value of the wrong kind. An error's body is a \
`google.rpc.Status`; its detail `ErrorInfo` has a `reason` of the enum `type.ErrorReason` (without its prefix) and the \
domain `ordermesh.dev`, and `BadRequest` names the fields.

All but what is marked as open wants an access token, in `authorization: Bearer <token>`. Answers tell by \
`x-ratelimit-limit`, `x-ratelimit-remaining` and `x-ratelimit-reset` what is left of the caller's limit.

Streams are Server-Sent Events: `subscribed`, then a snapshot between `snapshot_begin` and `snapshot_end`, then \
updates with heartbeats between. A stream that ends without `going_away` ended by a fault; connect again with the last \
resume token."""


_SCHEMES = {
    TOKEN: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of IdentityService: `POST /api/v1/auth/login` gives one to a user, and "
        "`POST /api/v1/auth/api-keys:exchange` to a program with a key. It lives some minutes; "
        "`POST /api/v1/auth/refresh` gives the next.",
    }
}
_TOLD = {
    "401": "There is no access token, or it is not good: damaged, ended, or of another installation. `INVALID_TOKEN`.",
    "403": "The caller is known, but may not do this, or not to that account. `PERMISSION_DENIED`.",
    "429": "More requests than are let through. `RetryInfo` and `retry-after` say when to try again.",
}
_LIMITS = {
    "retry-after": "Seconds after which to try again.",
    "x-ratelimit-limit": "Requests that may come at once.",
    "x-ratelimit-remaining": "How many of them are left.",
    "x-ratelimit-reset": "Seconds until there are more.",
}


def openapi_file(contract: Contract) -> bytes:
    """`openapi/openapi.json`: OpenAPI 3.1, the same bytes for the same contracts."""
    return (json.dumps(_document(contract), indent=1, ensure_ascii=False) + "\n").encode()


def _document(contract: Contract) -> dict[str, Any]:
    schemas = Schemas(contract)
    paths = _paths(contract, schemas)
    error = _error_response(contract, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Ordermesh", "version": "1", "description": _ABOUT},
        "servers": [{"url": "/"}],
        "tags": [
            {"name": service.name.rsplit(".", 1)[1], "description": service.comment}
            for service in contract.public_services()
        ],
        "paths": paths,
        "components": {"schemas": schemas.all(), "responses": _responses(error), "securitySchemes": _SCHEMES},
    }


def _responses(error: dict[str, Any]) -> dict[str, Any]:
    told = {FAILURES[status]: {**error, "description": text} for status, text in _TOLD.items()}
    headers = {name: {"description": text, "schema": {"type": "integer"}} for name, text in _LIMITS.items()}
    told[FAILURES["429"]]["headers"] = headers
    told[FAILURES["401"]]["headers"] = {
        "www-authenticate": {"description": "The scheme, `Bearer`.", "schema": {"type": "string"}}
    }
    return {FAILURES["default"]: error, **told}


def _paths(contract: Contract, schemas: Schemas) -> dict[str, dict[str, Any]]:
    found = {
        (route.binding.path, route.binding.verb.lower()): operation(
            contract, schemas, route, _number(route.method.bindings, route.binding)
        )
        for route in routes(contract)
    }
    paths: dict[str, dict[str, Any]] = {}
    for (path, verb), described in sorted(found.items()):
        paths.setdefault(path, {})[verb] = described
    return paths


def _number(bindings: tuple[Any, ...], binding: Any) -> int:
    return bindings.index(binding) + 1


def _error_response(contract: Contract, schemas: Schemas) -> dict[str, Any]:
    status = schemas.message(_STATUS)
    known = [name for name in _DETAILS if name in contract.messages]
    details = [
        {"allOf": [schemas.message(name), {"properties": {"@type": {"const": f"type.googleapis.com/{name}"}}}]}
        for name in known
    ]
    reasons = "\n".join(
        f"- `{value.name.removeprefix('ERROR_REASON_')}`: {value.comment}"
        for value in contract.enums[_REASONS].values
        if value.number
    )
    schema = {"allOf": [status, {"properties": {"details": {"items": {"anyOf": [*details, {"type": "object"}]}}}}]}
    told = f"Any failure, as `{short_name(_STATUS)}`. Reasons:\n\n{reasons}"
    return {"description": told, "content": {"application/json": {"schema": schema}}}
