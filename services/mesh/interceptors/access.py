"""Refuses callers whom the contract does not name, and says who calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from services.kernel.clock import Clock
from services.kernel.errors import CodedError, permission, unauthenticated
from services.mesh.access.caller import Caller
from services.mesh.access.certificates import service_of
from services.mesh.access.rules import Rule, rule_of
from services.mesh.access.tokens import Verifier, not_good
from services.mesh.context import Call, current_call
from services.mesh.interceptors.base import Context, Method, StreamHandler, UnaryHandler

_DENIED: Final = "PERMISSION_DENIED"
_SCHEME: Final = "bearer"
_END: Final = object()


class AccessInterceptor:
    """Stands within the interceptor that enters the call: servicers find in it who calls, and by which roles."""

    def __init__(self, users: Verifier, clock: Clock, *, audience: str) -> None:
        """Makes the interceptor.

        Args:
            users: Verifies access tokens.
            clock: The clock by which tokens end.
            audience: Whom access tokens must be for.
        """
        self._users, self._clock, self._audience = users, clock, audience

    def wrap_unary(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Lets in whom the contract names."""
        rule = rule_of(method.service, method.name)
        if rule.public:
            return handler

        async def handle(request: Any, context: Context) -> Any:
            call = _call()
            call.caller = caller = self._remembered(rule, call, context) or await self._verify(rule, call)
            call.roles = _allowed(rule, caller)
            return await handler(request, context)

        return handle

    def wrap_stream(self, method: Method, handler: StreamHandler) -> StreamHandler:
        """Lets in whom the contract names; a user's stream ends with their token."""
        rule = rule_of(method.service, method.name)
        if rule.public:
            return handler

        async def handle(request: Any, context: Context) -> AsyncIterator[Any]:
            call = _call()
            call.caller = caller = self._remembered(rule, call, context) or await self._verify(rule, call)
            call.roles = _allowed(rule, caller)
            messages = handler(request, context)
            if not caller.is_service:
                messages = until_over(messages, (caller.ends_ns - self._clock.now_ns()) / 1e9)
            async for response in messages:
                yield response

        return handle

    def _remembered(self, rule: Rule, call: Call, context: Context) -> Caller | None:
        # Who shows a user's token acts for that user, also a service that passes a call on.
        if rule.roles and call.authorization is not None:
            return self._users.remembered(_bearer(call.authorization), self._audience)
        return _service(rule, context) if rule.peers else None

    async def _verify(self, rule: Rule, call: Call) -> Caller:
        if rule.roles and call.authorization is not None:
            return await self._users.verify(_bearer(call.authorization), self._audience)
        if rule.roles:
            raise unauthenticated("INVALID_TOKEN", "this wants an access token: authorization: Bearer <token>")
        raise _denied("only services of the mesh may call this, and not all of them")


async def until_over(messages: AsyncIterator[Any], seconds: float) -> AsyncIterator[Any]:
    """Yields the messages of a stream until its token has ended.

    Only the wait for a message is broken off: a cancellation would otherwise meet gRPC as it sends one, which then
    tells the caller nothing.

    Raises:
        CodedError: INVALID_TOKEN, when the time is over.
    """
    life = _Life(seconds)
    try:
        while not life.over:
            life.waiting = True
            response = await anext(messages, _END)
            life.waiting = False
            if response is _END:
                return
            yield response
    except asyncio.CancelledError:
        if not life.ends_wait():
            raise
    finally:
        life.timer.cancel()
        if (close := getattr(messages, "aclose", None)) is not None:
            await close()
    raise unauthenticated("INVALID_TOKEN", "the access token has ended: go on with a new one")


class _Life:
    """How long a stream may last."""

    __slots__ = ("_task", "over", "timer", "waiting")

    def __init__(self, seconds: float) -> None:
        self.over = self.waiting = False
        self._task = asyncio.current_task()
        self.timer = asyncio.get_running_loop().call_later(seconds, self._end)

    def _end(self) -> None:
        self.over = True
        if self.waiting and self._task is not None:
            self._task.cancel()

    def ends_wait(self) -> bool:
        """Tells whether a cancellation is this life's end and nobody else's, and takes it back then."""
        return self.over and self.waiting and self._task is not None and self._task.uncancel() == 0


def _service(rule: Rule, context: Context) -> Caller | None:
    """Returns the service that calls, when it is one of those that may."""
    name = service_of(context)
    return _SERVICES[name] if name in rule.peers else None


class _Services(dict[str, Caller]):
    """Services by their names: those that contracts name, and thus few."""

    def __missing__(self, name: str) -> Caller:
        self[name] = caller = Caller.service(name)
        return caller


_SERVICES: Final = _Services()


def _call() -> Call:
    call = current_call()
    if call is None:
        raise RuntimeError("access is looked at outside of a call")
    return call


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != _SCHEME:
        raise not_good()
    return token.strip()


def _allowed(rule: Rule, caller: Caller) -> frozenset[int]:
    """Returns the roles by which a caller may call; none for a service.

    Raises:
        CodedError: PERMISSION_DENIED.
    """
    if caller.is_service:
        return caller.roles
    roles = caller.roles & rule.roles
    if not roles:
        raise _denied("none of the caller's roles may call this")
    if rule.scope and rule.scope not in caller.scopes:
        raise _denied("the token is not for this: it lacks the scope")
    return roles


def _denied(message: str) -> CodedError:
    return permission(_DENIED, message)
