"""Who may call what: every RPC, with every kind of token."""

from __future__ import annotations

import uuid
from typing import Any

from google.protobuf.message import Message

from ordermesh.identity.v1 import (
    api_key_pb2,
    authentication_pb2,
    identity_service_pb2,
    profile_pb2,
    second_factor_pb2,
    session_pb2,
    user_admin_pb2,
    user_pb2,
)
from services.kernel.errors import CodedError, ErrorKind
from tests.fixtures.identity import OTHER_PASSWORD, PASSWORD, Client, Metadata, bearer

NOBODY = str(uuid.UUID(int=7))
SCOPES = {"read": user_pb2.SCOPE_READ, "trade": user_pb2.SCOPE_TRADE, "manage": user_pb2.SCOPE_MANAGE}

OPEN = {
    "Register",
    "Login",
    "VerifySecondFactor",
    "RefreshTokens",
    "ExchangeApiKey",
    "GetJsonWebKeySet",
}
"""What is called without a token: what one proves who one is with, and what tokens are verified with."""

OF_A_LOGIN: dict[str, Message] = {
    "UpdateProfile": profile_pb2.UpdateProfileRequest(),
    "ChangePassword": profile_pb2.ChangePasswordRequest(current_password=PASSWORD, new_password=OTHER_PASSWORD),
    "EnrollSecondFactor": second_factor_pb2.EnrollSecondFactorRequest(password=PASSWORD),
    "ConfirmSecondFactor": second_factor_pb2.ConfirmSecondFactorRequest(code="123456"),
    "RenewRecoveryCodes": second_factor_pb2.RenewRecoveryCodesRequest(code="123456"),
    "DisableSecondFactor": second_factor_pb2.DisableSecondFactorRequest(password=PASSWORD, code="123456"),
    "CreateApiKey": api_key_pb2.CreateApiKeyRequest(name="x", scopes=[user_pb2.SCOPE_READ]),
    "ListApiKeys": api_key_pb2.ListApiKeysRequest(),
    "RevokeApiKey": api_key_pb2.RevokeApiKeyRequest(api_key_id=NOBODY),
    "ListSessions": session_pb2.ListSessionsRequest(),
    "RevokeSession": session_pb2.RevokeSessionRequest(session_id=NOBODY),
    "Logout": authentication_pb2.LogoutRequest(),
    "CreateUser": user_admin_pb2.CreateUserRequest(username="eve", password=PASSWORD, roles=[user_pb2.ROLE_ADMIN]),
    "UpdateUser": user_admin_pb2.UpdateUserRequest(user_id=NOBODY, roles=[user_pb2.ROLE_ADMIN]),
}
"""What wants a token of a login."""

OF_A_READER: dict[str, Message] = {
    "GetUser": user_admin_pb2.GetUserRequest(user_id=NOBODY),
    "ListUsers": user_admin_pb2.ListUsersRequest(),
}
"""What wants the scope to read, and a role that may see users."""

OF_ANYBODY: dict[str, Message] = {"GetProfile": profile_pb2.GetProfileRequest()}
"""What any token is good for."""


async def outcome(client: Client, method: str, request: Message, metadata: Metadata) -> tuple[ErrorKind | None, str]:
    """Returns how a call is answered."""
    try:
        await getattr(client.stub, method)(request, metadata=metadata)
    except CodedError as error:
        return error.kind, error.reason
    return None, ""


async def key_of(client: Client, token: str, scope: int) -> Metadata:
    """Returns the metadata of a program with an API key of one scope."""
    make: Any = api_key_pb2.CreateApiKeyRequest(name="x", scopes=[user_pb2.Scope.ValueType(scope)])
    secret = (await client.stub.CreateApiKey(make, metadata=bearer(token))).secret
    exchanged = await client.stub.ExchangeApiKey(api_key_pb2.ExchangeApiKeyRequest(secret=secret))
    return bearer(exchanged.tokens.access_token)


def test_every_rpc_is_among_these() -> None:
    """A new one must say who may call it."""
    [service] = identity_service_pb2.DESCRIPTOR.services_by_name.values()
    assert {method.name for method in service.methods} == OPEN | {*OF_A_LOGIN, *OF_A_READER, *OF_ANYBODY}


async def test_nothing_but_the_open_calls_is_answered_without_a_token(client: Client) -> None:
    """Nor with one that is not ours."""
    for metadata in ((), bearer("x.y.z")):
        for method, request in (OF_A_LOGIN | OF_A_READER | OF_ANYBODY).items():
            refused = await outcome(client, method, request, metadata)
            assert refused == (ErrorKind.UNAUTHENTICATED, "INVALID_TOKEN"), method


async def test_an_api_key_reads_what_its_scope_says_and_changes_nothing_here(client: Client) -> None:
    """Even an admin's with every scope: a stolen key makes no user and no other key."""
    admin = (await client.login("admin")).access_token
    refused = (ErrorKind.PERMISSION, "PERMISSION_DENIED")
    for name, scope in SCOPES.items():
        metadata = await key_of(client, admin, scope)
        for method, request in OF_A_LOGIN.items():
            assert await outcome(client, method, request, metadata) == refused, (name, method)
        for method, request in OF_A_READER.items():
            answer = await outcome(client, method, request, metadata)
            assert (answer == refused) == (name != "read"), (name, method)
        assert await outcome(client, "GetProfile", OF_ANYBODY["GetProfile"], metadata) == (None, "")
    await client.login("admin")
