"""The operations of the REST face: one for each HTTP binding of each RPC."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from proto.build.model import Contract, Field, Kind
from proto.build.openapi.schemas import Schemas
from proto.build.template import Route

TOKEN = "access_token"  # noqa: S105 - a name
"""The security scheme of operations that want a token."""
FAILURES = {"401": "Unauthenticated", "403": "Denied", "429": "TooMany", "default": "Error"}
"""Failures by their status, as components."""
_JSON = "application/json"
_EVENTS = "text/event-stream"
_HTTP_BODY = "google.api.HttpBody"
# Messages that a query writes as one value.
_ONE_VALUE = ("google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask")


def operation(contract: Contract, schemas: Schemas, route: Route, number: int) -> dict[str, Any]:
    """One operation; `number` tells apart the bindings of one RPC, from 1."""
    method = route.method
    free = contract.is_free(method)
    service = method.service.rsplit(".", 1)[1]
    summary, _, rest = method.comment.partition(". ")
    result: dict[str, Any] = {
        "tags": [service],
        "operationId": f"{service}_{method.name}" + (f"_{number}" if number > 1 else ""),
        "summary": summary.removesuffix("."),
        "description": rest or method.comment,
        "parameters": [*_path_parameters(contract, schemas, route), *_query_parameters(contract, schemas, route)],
        "responses": {"200": _success(contract, schemas, route), **_failures(free)},
        "security": [] if free else [{TOKEN: []}],
    }
    if route.binding.body:
        result["requestBody"] = _body(contract, schemas, route)
    return result


def _failures(free: bool) -> dict[str, Any]:
    """All failures have one form; named are those that say what to do about them."""
    named = ("429",) if free else ("401", "403", "429")
    return {status: {"$ref": f"#/components/responses/{FAILURES[status]}"} for status in (*named, "default")}


def _fields(contract: Contract, route: Route) -> dict[str, Field]:
    return {field.name: field for field in contract.messages[route.method.input].fields}


def _path_parameters(contract: Contract, schemas: Schemas, route: Route) -> Iterator[dict[str, Any]]:
    fields = _fields(contract, route)
    for name in route.fields:
        yield _parameter(name, "path", schemas.field(fields[name]), required=True)


def _query_parameters(contract: Contract, schemas: Schemas, route: Route) -> Iterator[dict[str, Any]]:
    """What neither the path nor the body holds. A nested message becomes dotted names."""
    if route.binding.body == "*":
        return
    taken = {*route.fields, route.binding.body}
    for field in _fields(contract, route).values():
        if field.name not in taken:
            yield from _flattened(contract, schemas, field, "")


def _flattened(contract: Contract, schemas: Schemas, field: Field, prefix: str) -> Iterator[dict[str, Any]]:
    if field.kind is Kind.MESSAGE and field.type_name not in _ONE_VALUE:
        if not field.repeated:
            for inner in contract.messages[field.type_name].fields:
                yield from _flattened(contract, schemas, inner, f"{prefix}{field.name}.")
        return
    yield _parameter(prefix + field.name, "query", schemas.field(field), required=field.required and not prefix)


def _parameter(name: str, place: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    description = schema.pop("description")
    return {"name": name, "in": place, "required": required, "description": description, "schema": schema}


def _body(contract: Contract, schemas: Schemas, route: Route) -> dict[str, Any]:
    fields = _fields(contract, route)
    if route.binding.body == "*":
        schema = schemas.without(route.method.input, frozenset(route.fields))
        required = any(field.required for field in fields.values() if field.name not in route.fields)
    else:
        schema = schemas.field(fields[route.binding.body])
        required = fields[route.binding.body].required
    return {"required": required, "content": {_JSON: {"schema": schema}}}


def _success(contract: Contract, schemas: Schemas, route: Route) -> dict[str, Any]:
    output = contract.messages[route.method.output]
    if route.binding.response_body:
        part = next(field for field in output.fields if field.name == route.binding.response_body)
        if part.type_name == _HTTP_BODY:
            return {"description": part.comment, "content": {"text/plain": {"schema": {"type": "string"}}}}
        return {"description": part.comment, "content": {_JSON: {"schema": schemas.field(part)}}}
    schema = schemas.message(route.method.output)
    if route.method.server_streaming:
        told = "Server-Sent Events. The data of each event is one message as JSON: " + output.comment
        return {"description": told, "content": {_EVENTS: {"schema": schema}}}
    return {"description": output.comment, "content": {_JSON: {"schema": schema}}}
