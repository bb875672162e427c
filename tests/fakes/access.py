"""Keys and tokens of callers, made up for a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from ordermesh.type.v1 import access_pb2, trading_pb2
from services.kernel.clock import Clock
from services.kernel.errors import CodedError, unavailable
from services.mesh.access.caller import Caller
from services.mesh.access.keys import IdentityKeys
from services.mesh.access.tokens import TYPE, Verifier
from services.mesh.context import Call, enter_call
from services.mesh.descriptors import service_descriptor
from services.mesh.interceptors.access import AccessInterceptor
from services.mesh.interceptors.base import Interceptor, Method
from tests.fakes.timers import FakeTimers

ISSUER: Final = "ordermesh"
AUDIENCE: Final = "ordermesh"
SIMULATION, LIVE = trading_pb2.ENVIRONMENT_SIMULATION, trading_pb2.ENVIRONMENT_LIVE
ALL_SCOPES: Final = ("read", "trade", "manage")


def new_key() -> ec.EllipticCurvePrivateKey:
    """Returns a key that signs."""
    return ec.generate_private_key(ec.SECP256R1())


class FakeIdentity:
    """Signs tokens as IdentityService does, and tells its keys.

    Attributes:
        keys: What signs, by id; the last one does.
        away: Whether it does not answer.
        asked: How often it was asked for its keys.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.keys = {"first": new_key()}
        self.away = False
        self.asked = 0

    async def fetch(self) -> Mapping[str, ec.EllipticCurvePublicKey]:
        """Tells the keys."""
        self.asked += 1
        if self.away:
            raise unavailable("SERVICE_UNAVAILABLE", "identity is away")
        return {key_id: key.public_key() for key_id, key in self.keys.items()}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Returns the claims of a trader with one account, whose token lives five minutes."""
        now = int(self.clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "user-1",
            "roles": ["trader"],
            "environment": "simulation",
            "accounts": ["demo"],
            "scopes": list(ALL_SCOPES),
            "sid": "session-1",
            "iat": now,
            "exp": now + 300,
        }
        return claims | changes

    def token(self, **changes: Any) -> str:
        """Returns an access token with these claims changed."""
        key_id, key = list(self.keys.items())[-1]
        return jwt.encode(self.claims(**changes), key, "ES256", headers={"kid": key_id, "typ": TYPE})


def user_verifier(identity: FakeIdentity, keys: IdentityKeys | None = None, **more: Any) -> Verifier:
    """Returns what verifies access tokens."""
    keys = keys or IdentityKeys(identity.fetch)
    return Verifier(keys, identity.clock, issuer=ISSUER, audience=AUDIENCE, **more)


def guard(identity: FakeIdentity, timers: FakeTimers | None = None) -> AccessInterceptor:
    """Returns what looks at callers; streams end by these timers."""
    return AccessInterceptor(user_verifier(identity), identity.clock, None if timers is None else timers.later)


class FakeEnvironments:
    """Knows in which world some accounts are."""

    def __init__(self, known: Mapping[str, int]) -> None:
        self.known = known
        self.away = False

    async def of(self, account_id: str) -> int | None:
        if self.away:
            raise unavailable("SERVICE_UNAVAILABLE", "portfolio is away")
        return self.known.get(account_id)


def caller(
    *roles: str, accounts: tuple[str, ...] = (), environment: int = SIMULATION, scopes: tuple[str, ...] = ALL_SCOPES
) -> Caller:
    """Returns a user who has proved who they are."""
    numbers = frozenset(access_pb2.Role.Value(f"ROLE_{role.upper()}") for role in roles)
    allowed = frozenset(access_pb2.Scope.Value(f"SCOPE_{scope.upper()}") for scope in scopes)
    return Caller("user-1", False, numbers, allowed, environment, frozenset(accounts), "session-1", 1 << 62)


def service_caller(name: str) -> Caller:
    """Returns a service that has proved who it is."""
    return Caller.service(name)


def call_of(who: Caller | None, *roles: str) -> Call:
    """Returns a call in progress, which a caller may make by these roles; none named: by all that they have."""
    call = Call("/test/Call", None)
    call.caller = who
    if who is not None:
        call.roles = frozenset(access_pb2.Role.Value(f"ROLE_{role.upper()}") for role in roles) if roles else who.roles
    return call


class Reached:
    """A service behind the interceptor that looks at accounts.

    Attributes:
        served: Requests that were let through.
    """

    def __init__(self, service: str, interceptor: Interceptor) -> None:
        self.methods = service_descriptor(service).methods_by_name
        self._service, self._interceptor = service, interceptor
        self.served: list[Any] = []

    def wrap_all(self) -> None:
        """Wraps every method, as the server does when it starts."""
        for name in self.methods:
            self._wrapped(name)

    async def call(self, name: str, request: Any, who: Caller, *roles: str) -> None:
        """Calls a method, as somebody who may call it by these roles; none named: by all that they have."""
        enter_call(call_of(who, *roles))
        context: Any = None
        try:
            called = self._wrapped(name)(request, context)
            if self.methods[name].server_streaming:
                async for _ in called:
                    pass
            else:
                await called
        finally:
            enter_call(None)

    def _wrapped(self, name: str) -> Any:
        found = self.methods[name]
        method = Method(self._service, name, found.client_streaming, found.server_streaming, found.input_type)
        if found.server_streaming:
            return self._interceptor.wrap_stream(method, self._stream)
        return self._interceptor.wrap_unary(method, self._answer)

    async def _answer(self, request: Any, _context: Any) -> Any:
        self.served.append(request)

    async def _stream(self, request: Any, _context: Any) -> AsyncIterator[Any]:
        self.served.append(request)
        yield "message"


async def refusal(call: Awaitable[None]) -> str:
    """Returns the reason for which a call was refused."""
    try:
        await call
    except CodedError as error:
        return error.reason
    return ""
