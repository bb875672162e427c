"""Refuses messages that break the constraints of the contract, naming each field and its rule."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from protovalidate import Validator, Violation

from services.kernel.errors import INVALID_FIELD, FieldViolation, invalid
from services.mesh.interceptors.base import Context, Method, StreamHandler, UnaryHandler
from services.mesh.interceptors.wording import in_words
from services.mesh.reading import Unreadable, unreadable

_RULES = "buf/validate/validate.proto"
_MOST_VIOLATIONS_TOLD = 100


class ConstraintInterceptor:
    """Validates each incoming message, on streams too, with one shared validator."""

    def __init__(self, validator: Validator | None = None) -> None:
        self._collect = (validator or Validator()).collect_violations

    def wrap_unary(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Validates, then handles; requests without constraints need only be readable."""
        collect = self._collect if has_constraints(method.request_type) else _nothing
        if method.request_streaming:

            async def handle_many(requests: Any, context: Context) -> Any:
                return await handler(self._each(requests), context)

            return handler if collect is _nothing else handle_many

        async def handle(request: Any, context: Context) -> Any:
            if type(request) is Unreadable:
                raise unreadable()
            if violations := collect(request):
                raise refusal(violations)
            return await handler(request, context)

        return handle

    def wrap_stream(self, method: Method, handler: StreamHandler) -> StreamHandler:
        """Validates, then handles; requests without constraints need only be readable."""
        collect = self._collect if has_constraints(method.request_type) else _nothing
        if method.request_streaming and collect is _nothing:
            return handler

        def handle(request: Any, context: Context) -> AsyncIterator[Any]:
            if method.request_streaming:
                return handler(self._each(request), context)
            if type(request) is Unreadable:
                raise unreadable()
            check(request, collect)
            return handler(request, context)

        return handle

    async def _each(self, requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
        collect = self._collect
        async for request in requests:
            if violations := collect(request):
                raise refusal(violations)
            yield request


def _nothing(_message: Message) -> list[Violation]:
    return []


def check(message: Message, collect: Callable[[Message], list[Violation]]) -> None:
    """Raises INVALID_FIELD when the message breaks a constraint."""
    if violations := collect(message):
        raise refusal(violations)


def refusal(violations: list[Violation]) -> Exception:
    """Returns the error that names every field and the rule it breaks."""
    told = tuple(_told(violation) for violation in violations[:_MOST_VIOLATIONS_TOLD])
    first = told[0]
    others = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return invalid(INVALID_FIELD, f"{first.field}: {first.description}{others}", *told)


def has_constraints(message: Descriptor | None) -> bool:
    """Tells whether a message, or any message within it, comes from a file that uses constraints.

    An unknown message counts as one that has.
    """
    return message is None or any(
        _RULES in {dependency.name for dependency in each.file.dependencies} for each in _reachable(message)
    )


def _reachable(message: Descriptor) -> list[Descriptor]:
    found: dict[str, Descriptor] = {message.full_name: message}
    waiting = [message]
    while waiting:
        for field in waiting.pop().fields:
            inner = field.message_type
            if inner is not None and inner.full_name not in found:
                found[inner.full_name] = inner
                waiting.append(inner)
    return list(found.values())


def _told(violation: Violation) -> FieldViolation:
    return FieldViolation(_path(violation.proto.field), in_words(violation))


def _path(path: Any) -> str:
    return ".".join(f"{e.field_name}{_subscript(e)}" for e in path.elements) if path is not None else ""


def _subscript(element: Any) -> str:
    subscript = element.subscript
    if subscript is None:
        return ""
    return f"[{subscript.value}]" if subscript.field == "index" else f"[{str(subscript.value)!r}]"
