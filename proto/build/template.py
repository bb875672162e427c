"""HTTP path templates of `google.api.http`, of the forms that the contracts use: literals, `{field}` and a `:verb`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from proto.build.model import Binding, Contract, Method
from proto.build.protoc import ContractError

_SEGMENT = re.compile(r"\{[a-z][a-z0-9_]*\}|[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Route:
    """One binding of one RPC, its path taken apart. `fields` are what the path binds, in order."""

    method: Method
    binding: Binding
    segments: tuple[str, ...]
    verb: str

    @property
    def fields(self) -> tuple[str, ...]:
        """The request's fields that the path holds."""
        return tuple(segment[1:-1] for segment in self.segments if segment.startswith("{"))

    @property
    def specificity(self) -> tuple[tuple[bool, ...], str]:
        """Sorts literal paths before those with fields, as the transcoder prefers them."""
        return tuple(segment.startswith("{") for segment in self.segments), self.binding.path


def routes(contract: Contract) -> list[Route]:
    """Every HTTP binding of every public RPC, the most literal first.

    Raises:
        ContractError: when a path has an unknown form, binds no field of the request, or is given twice.
    """
    found = [_route(contract, method, binding) for method in contract.public_methods() for binding in method.bindings]
    found.sort(key=lambda route: (*route.specificity, route.binding.verb))
    seen: dict[tuple[str, str], Route] = {}
    for route in found:
        shape = re.sub(r"\{[^}]*\}", "{}", route.binding.path)
        other = seen.setdefault((route.binding.verb, shape), route)
        if other is not route:
            raise ContractError(
                f"{route.method.grpc_path} and {other.method.grpc_path} share {route.binding.verb} {route.binding.path}"
            )
    return found


def _route(contract: Contract, method: Method, binding: Binding) -> Route:
    path, colon, verb = binding.path.partition(":")
    segments = tuple(path.removeprefix("/").split("/"))
    if not path.startswith("/") or not all(map(_SEGMENT.fullmatch, segments)) or (colon and not verb):
        raise ContractError(f"{method.grpc_path}: the path {binding.path} is not made of names, {{field}} and :verb")
    if method.client_streaming:
        raise ContractError(f"{method.grpc_path}: a client stream cannot be called by HTTP")
    route = Route(method, binding, segments, verb)
    known = {field.name for field in contract.messages[method.input].fields}
    bound = (*route.fields, *((binding.body,) if binding.body not in ("", "*") else ()))
    for name in bound:
        if name not in known:
            raise ContractError(f"{method.grpc_path}: {binding.path} binds {name}, which {method.input} does not have")
    return route
