"""What the gateway needs to know of the contracts: its routes, and the shapes of the requests it checks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from proto.build.model import Contract, Field, Kind, Message, Service
from proto.build.template import Route, routes

# Messages with a JSON form of their own, and the name under which the gateway checks that form.
_SPECIAL = {
    "google.protobuf.Timestamp": "timestamp",
    "google.protobuf.Duration": "duration",
    "google.protobuf.FieldMask": "field_mask",
    "google.protobuf.Empty": "empty",
    "google.protobuf.Struct": "any_object",
    "google.protobuf.Value": "any",
    "google.protobuf.ListValue": "any_list",
    "google.protobuf.Any": "any_object",
    "google.protobuf.DoubleValue": "double",
    "google.protobuf.FloatValue": "float",
    "google.protobuf.Int64Value": "int64",
    "google.protobuf.UInt64Value": "uint64",
    "google.protobuf.Int32Value": "int32",
    "google.protobuf.UInt32Value": "uint32",
    "google.protobuf.BoolValue": "bool",
    "google.protobuf.StringValue": "string",
    "google.protobuf.BytesValue": "bytes",
}


def routes_file(contract: Contract) -> bytes:
    """`gateway/routes.json`: the public services, and every REST route, the most literal first.

    Each service has its streams, and what is called without a token.
    """
    table = {
        "services": [_service_entry(contract, service) for service in contract.public_services()],
        "routes": [_route_entry(contract, route) for route in routes(contract)],
    }
    return (json.dumps(table, indent=1) + "\n").encode()


def shapes_file(contract: Contract) -> bytes:
    """`gateway/shapes.lua`: the fields of every message and the values of every enum that a REST request may hold."""
    messages, enums = _reachable(contract)
    lines = [
        "-- Generated from the contracts by `make gen`; do not edit.",
        "-- Fields are { name, kind, type, repeated, map } by each of their JSON names.",
        "local shapes = { messages = {}, enums = {} }",
        *(line for name in sorted(messages) for line in _message_lines(contract.messages[name])),
        *(line for name in sorted(enums) for line in _enum_lines(contract, name)),
        "return shapes",
    ]
    return ("\n".join(lines) + "\n").encode()


def area(service: str) -> str:
    """The area of a service, which names the component that serves it: `ordermesh.order.v1.OrderService` is `order`."""
    return service.split(".")[1]


def _service_entry(contract: Contract, service: Service) -> dict[str, Any]:
    streams = [method.name for method in service.methods if method.server_streaming or method.client_streaming]
    public = [method.name for method in service.methods if contract.is_free(method)]
    return {"name": service.name, "area": area(service.name), "streams": streams, "public": public}


def _route_entry(contract: Contract, route: Route) -> dict[str, Any]:
    fields = {field.name: field for field in contract.messages[route.method.input].fields}
    body = fields.get(route.binding.body)
    return {
        "verb": route.binding.verb,
        "path": route.binding.path,
        "rpc": route.method.grpc_path,
        "area": area(route.method.service),
        "input": route.method.input,
        "body": route.binding.body,
        "needed": body is not None and body.required,
        "bound": list(route.fields),
        "stream": route.method.server_streaming,
        "public": contract.is_free(route.method),
    }


def _reachable(contract: Contract) -> tuple[set[str], set[str]]:
    messages: set[str] = set()
    enums: set[str] = set()
    waiting = [method.input for method in contract.public_methods()]
    while waiting:
        name = waiting.pop()
        if name in messages or name in _SPECIAL:
            continue
        messages.add(name)
        for field in contract.messages[name].fields:
            if field.kind is Kind.ENUM:
                enums.add(field.type_name)
            elif field.kind is Kind.MESSAGE:
                waiting.append(field.type_name)
    return messages, enums


def _message_lines(message: Message) -> Iterator[str]:
    yield f'shapes.messages["{message.name}"] = {{'
    for field in message.fields:
        for name in dict.fromkeys((field.name, field.json_name)):
            yield f'  ["{name}"] = {_field_entry(field)},'
    yield "}"


def _field_entry(field: Field) -> str:
    kind, type_name = field.kind.name.lower(), field.type_name
    if type_name in _SPECIAL:
        kind, type_name = _SPECIAL[type_name], ""
    parts = [f'name = "{field.name}"', f'kind = "{kind}"']
    if type_name:
        parts.append(f'type = "{type_name}"')
    if field.repeated:
        parts.append("repeated = true")
    if field.map_key is not None:
        parts.append(f'map = "{field.map_key.name.lower()}"')
    return "{ " + ", ".join(parts) + " }"


def _enum_lines(contract: Contract, name: str) -> Iterator[str]:
    yield f'shapes.enums["{name}"] = {{'
    for value in contract.enums[name].values:
        yield f'  ["{value.name}"] = {value.number},'
    yield "}"
