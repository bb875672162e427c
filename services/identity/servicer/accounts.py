"""The methods by which callers keep what is theirs: profile, password, second factor, API keys."""

from __future__ import annotations

from ordermesh.identity.v1 import api_key_pb2, profile_pb2, second_factor_pb2
from services.identity.domain.values import Scope
from services.identity.pipeline.api_keys import KeyWish
from services.identity.servicer.desk import Desk, Pages
from services.identity.servicer.wire import api_key_to_proto, user_to_proto
from services.mesh.interceptors.base import Context
from services.mesh.times import moment


class ProfileMethods:
    """Keeps profile and password."""

    _desk: Desk

    async def GetProfile(
        self, request: profile_pb2.GetProfileRequest, context: Context
    ) -> profile_pb2.GetProfileResponse:
        """Tells who the caller is."""
        caller = await self._desk.caller()
        return profile_pb2.GetProfileResponse(user=user_to_proto(caller.user))

    async def UpdateProfile(
        self, request: profile_pb2.UpdateProfileRequest, context: Context
    ) -> profile_pb2.UpdateProfileResponse:
        """Changes what is told of the caller."""
        user = await self._desk.users.update_profile(
            await self._desk.caller(), request.version, request.display_name, request.email
        )
        return profile_pb2.UpdateProfileResponse(user=user_to_proto(user))

    async def ChangePassword(
        self, request: profile_pb2.ChangePasswordRequest, context: Context
    ) -> profile_pb2.ChangePasswordResponse:
        """Changes the caller's password."""
        caller, address = await self._desk.caller(), self._desk.address()
        ended = await self._desk.users.change_password(caller, request.current_password, request.new_password, address)
        return profile_pb2.ChangePasswordResponse(ended_sessions=ended)


class SecondFactorMethods:
    """Keeps the second factor."""

    _desk: Desk

    async def EnrollSecondFactor(
        self, request: second_factor_pb2.EnrollSecondFactorRequest, context: Context
    ) -> second_factor_pb2.EnrollSecondFactorResponse:
        """Begins to add a second factor."""
        caller, address = await self._desk.caller(), self._desk.address()
        enrolled = await self._desk.factors.enroll(caller, request.password, address)
        return second_factor_pb2.EnrollSecondFactorResponse(secret=enrolled.secret, otpauth_uri=enrolled.uri)

    async def ConfirmSecondFactor(
        self, request: second_factor_pb2.ConfirmSecondFactorRequest, context: Context
    ) -> second_factor_pb2.ConfirmSecondFactorResponse:
        """Adds the second factor that was begun."""
        caller, address = await self._desk.caller(), self._desk.address()
        codes = await self._desk.factors.confirm(caller, request.code, address)
        return second_factor_pb2.ConfirmSecondFactorResponse(recovery_codes=codes)

    async def RenewRecoveryCodes(
        self, request: second_factor_pb2.RenewRecoveryCodesRequest, context: Context
    ) -> second_factor_pb2.RenewRecoveryCodesResponse:
        """Replaces the recovery codes."""
        caller, address = await self._desk.caller(), self._desk.address()
        codes = await self._desk.factors.renew_recovery(caller, request.code, address)
        return second_factor_pb2.RenewRecoveryCodesResponse(recovery_codes=codes)

    async def DisableSecondFactor(
        self, request: second_factor_pb2.DisableSecondFactorRequest, context: Context
    ) -> second_factor_pb2.DisableSecondFactorResponse:
        """Removes the second factor."""
        caller, address = await self._desk.caller(), self._desk.address()
        await self._desk.factors.disable(caller, request.password, request.code, address)
        return second_factor_pb2.DisableSecondFactorResponse()


class ApiKeyMethods:
    """Keeps API keys."""

    _desk: Desk

    async def CreateApiKey(
        self, request: api_key_pb2.CreateApiKeyRequest, context: Context
    ) -> api_key_pb2.CreateApiKeyResponse:
        """Makes an API key."""
        caller = await self._desk.caller()
        expires_at = moment(request.expires_at, "expires_at") if request.HasField("expires_at") else None
        wish = KeyWish(request.name, tuple(map(Scope, request.scopes)), request.allowed_networks, expires_at)
        key, secret = await self._desk.keys.create(caller, wish)
        return api_key_pb2.CreateApiKeyResponse(api_key=api_key_to_proto(key), secret=secret)

    async def ListApiKeys(
        self, request: api_key_pb2.ListApiKeysRequest, context: Context
    ) -> api_key_pb2.ListApiKeysResponse:
        """Lists the caller's API keys."""
        caller = await self._desk.caller()
        pages = Pages(request, size=request.page_size, token=request.page_token)
        found = await self._desk.keys.page(caller, pages.after, pages.wanted, revoked=request.include_revoked)
        shown, token = pages.cut(found, lambda key: key.api_key_id)
        return api_key_pb2.ListApiKeysResponse(api_keys=map(api_key_to_proto, shown), next_page_token=token)

    async def RevokeApiKey(
        self, request: api_key_pb2.RevokeApiKeyRequest, context: Context
    ) -> api_key_pb2.RevokeApiKeyResponse:
        """Revokes an API key of the caller's."""
        key = await self._desk.keys.revoke(await self._desk.caller(), request.api_key_id)
        return api_key_pb2.RevokeApiKeyResponse(api_key=api_key_to_proto(key))
