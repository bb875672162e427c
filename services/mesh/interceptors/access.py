"""Refuses callers whom the contract does not name, and says who calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from services.kernel.clock import Clock
from services.kernel.errors import CodedError, permission, unauthenticated
from services.mesh.access.caller import Caller
from services.mesh.access.certificates import service_of
from services.mesh.access.life import Later, TokenLife, until_cut
from services.mesh.access.rules import Rule, rule_of
from services.mesh.access.tokens import Verifier, not_good
from services.mesh.context import Call, served_call
from services.mesh.interceptors.base import Context, Method, StreamHandler, UnaryHandler

_DENIED: Final = "PERMISSION_DENIED"
_SCHEME: Final = "bearer"
_AUTHORIZE: Final = "authorize"
"""What a request is called by which a stream is told another token."""


class AccessInterceptor:
    """Stands within the interceptor that enters the call: servicers find in it who calls, and by which roles."""

    def __init__(self, users: Verifier, clock: Clock, later: Later | None = None) -> None:
        """Makes the interceptor.

        Args:
            users: Verifies access tokens.
            clock: The clock by which tokens end.
            later: Plans the ends of streams; the event loop's unless a test's.
        """
        self._users, self._clock, self._later = users, clock, later

    def wrap_unary(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Lets in whom the contract names."""
        rule = rule_of(method.service, method.name)
        if rule.public:
            return handler

        async def handle(request: Any, context: Context) -> Any:
            call = served_call()
            call.caller = caller = self._remembered(rule, call, context) or await self._verify(rule, call, context)
            call.roles = _allowed(rule, caller)
            return await handler(request, context)

        return handle

    def wrap_stream(self, method: Method, handler: StreamHandler) -> StreamHandler:
        """Lets in whom the contract names; a user's stream ends with their token, and goes on with another in time."""
        rule = rule_of(method.service, method.name)
        if rule.public:
            return handler
        renewable = method.request_streaming and _takes_tokens(method)

        async def handle(request: Any, context: Context) -> AsyncIterator[Any]:
            call = served_call()
            call.caller = caller = self._remembered(rule, call, context) or await self._verify(rule, call, context)
            call.roles = _allowed(rule, caller)
            if caller.is_service:
                messages = handler(request, context)
            else:
                call.life = life = TokenLife(self._clock, self._later)
                life.stand_by(caller)
                renewed = self._renewed(request, rule, call, life) if renewable else request
                messages = until_cut(handler(renewed, context), life)
            async for response in messages:
                yield response

        return handle

    async def _renewed(
        self, requests: AsyncIterator[Any], rule: Rule, call: Call, life: TokenLife
    ) -> AsyncIterator[Any]:
        """Yields what the client sends, and lets the stream stand by the tokens among it."""
        async for request in requests:
            if request.HasField(_AUTHORIZE):
                await self._renew(request.authorize.access_token, rule, call, life)
            yield request

    async def _renew(self, token: str, rule: Rule, call: Call, life: TokenLife) -> None:
        caller = self._users.remembered(token) or await self._users.verify(token)
        before = call.caller
        if before is None or (caller.name, caller.environment) != (before.name, before.environment):
            raise _denied("the token is another user's")
        roles = _allowed(rule, caller)
        life.stand_by(caller)
        call.caller, call.roles = caller, roles

    def _remembered(self, rule: Rule, call: Call, context: Context) -> Caller | None:
        # Who shows a user's token acts for that user, also a service that passes a call on.
        if rule.roles and call.authorization is not None:
            return self._users.remembered(_bearer(call.authorization))
        return _service(rule, context) if rule.peers else None

    async def _verify(self, rule: Rule, call: Call, context: Context) -> Caller:
        if rule.roles and call.authorization is not None:
            return await self._users.verify(_bearer(call.authorization))
        if rule.roles:
            raise unauthenticated("INVALID_TOKEN", "this wants an access token: authorization: Bearer <token>")
        if name := service_of(context):
            # Who is refused is told by name: it is proved, though it is none of those who may.
            call.caller = Caller.service(name)
        raise _denied("only services of the mesh may call this, and not all of them")


def _takes_tokens(method: Method) -> bool:
    return method.request_type is not None and _AUTHORIZE in method.request_type.fields_by_name


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


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != _SCHEME:
        raise not_good()
    return token.strip()


def _allowed(rule: Rule, caller: Caller) -> frozenset[int]:
    """Returns the roles by which a caller may call; none for a service, which is one that the contract names.

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
