"""The methods by which callers prove who they are, and those about sessions."""

from __future__ import annotations

from ordermesh.identity.v1 import api_key_pb2, authentication_pb2, session_pb2, signing_key_pb2
from services.identity.crypto.keys import CURVE
from services.identity.domain.values import Environment
from services.identity.pipeline.sessions import Issued
from services.identity.pipeline.users import UserWish
from services.identity.servicer.desk import Desk, Pages
from services.identity.servicer.wire import session_to_proto, stamp, tokens_to_proto, user_to_proto
from services.mesh.access.tokens import ALGORITHM
from services.mesh.interceptors.base import Context


class LoginMethods:
    """Lets callers in and out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def Register(
        self, request: authentication_pb2.RegisterRequest, context: Context
    ) -> authentication_pb2.RegisterResponse:
        """Makes a user who asks for it."""
        wish = UserWish(request.username, request.password, request.display_name, request.email)
        user = await self._desk.users.register(Environment(request.environment), wish, self._desk.address())
        return authentication_pb2.RegisterResponse(user=user_to_proto(user))

    async def Login(
        self, request: authentication_pb2.LoginRequest, context: Context
    ) -> authentication_pb2.LoginResponse:
        """Begins a session, or asks for the second factor."""
        result = await self._desk.logins.login(
            Environment(request.environment),
            request.username,
            request.password,
            address=self._desk.address(),
            client=request.client,
        )
        if isinstance(result, Issued):
            return authentication_pb2.LoginResponse(tokens=tokens_to_proto(result))
        challenge = authentication_pb2.SecondFactorChallenge(
            challenge=result.challenge, expires_at=stamp(result.expires_at)
        )
        return authentication_pb2.LoginResponse(challenge=challenge)

    async def VerifySecondFactor(
        self, request: authentication_pb2.VerifySecondFactorRequest, context: Context
    ) -> authentication_pb2.VerifySecondFactorResponse:
        """Begins the session of a login that asked for the second factor."""
        issued = await self._desk.logins.verify(request.challenge, request.code, self._desk.address())
        return authentication_pb2.VerifySecondFactorResponse(tokens=tokens_to_proto(issued))

    async def RefreshTokens(
        self, request: authentication_pb2.RefreshTokensRequest, context: Context
    ) -> authentication_pb2.RefreshTokensResponse:
        """Exchanges a refresh token."""
        issued = await self._desk.sessions.refresh(request.refresh_token, self._desk.address())
        return authentication_pb2.RefreshTokensResponse(tokens=tokens_to_proto(issued))

    async def ExchangeApiKey(
        self, request: api_key_pb2.ExchangeApiKeyRequest, context: Context
    ) -> api_key_pb2.ExchangeApiKeyResponse:
        """Exchanges the secret of an API key."""
        issued = await self._desk.keys.exchange(request.secret, self._desk.address())
        return api_key_pb2.ExchangeApiKeyResponse(tokens=tokens_to_proto(issued))

    async def Logout(
        self, request: authentication_pb2.LogoutRequest, context: Context
    ) -> authentication_pb2.LogoutResponse:
        """Ends the caller's session."""
        await self._desk.sessions.logout(await self._desk.caller())
        return authentication_pb2.LogoutResponse()

    async def ListSessions(
        self, request: session_pb2.ListSessionsRequest, context: Context
    ) -> session_pb2.ListSessionsResponse:
        """Lists the caller's sessions."""
        caller = await self._desk.caller()
        pages = Pages(request, size=request.page_size, token=request.page_token)
        found = await self._desk.sessions.page(caller, pages.after, pages.wanted)
        shown, token = pages.cut(found, lambda session: session.session_id)
        told = [session_to_proto(session, caller.session_id) for session in shown]
        return session_pb2.ListSessionsResponse(sessions=told, next_page_token=token)

    async def RevokeSession(
        self, request: session_pb2.RevokeSessionRequest, context: Context
    ) -> session_pb2.RevokeSessionResponse:
        """Ends a session of the caller's."""
        await self._desk.sessions.revoke(await self._desk.caller(), request.session_id)
        return session_pb2.RevokeSessionResponse()

    async def GetJsonWebKeySet(
        self, request: signing_key_pb2.GetJsonWebKeySetRequest, context: Context
    ) -> signing_key_pb2.GetJsonWebKeySetResponse:
        """Tells the keys that tokens are verified with."""
        keys = [
            signing_key_pb2.JsonWebKey(kty="EC", crv=CURVE, x=key.x, y=key.y, kid=key.key_id, use="sig", alg=ALGORITHM)
            for key in self._desk.ring.published()
        ]
        return signing_key_pb2.GetJsonWebKeySetResponse(keys=keys)
