"""API keys, against a real Postgres."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import jwt
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.identity.v1 import api_key_pb2, authentication_pb2, profile_pb2, session_pb2, user_pb2
from services.kernel.errors import CodedError, ErrorKind
from tests.fixtures.identity import PASSWORD, Client, Metadata, World, bearer, refused

READ, TRADE = user_pb2.SCOPE_READ, user_pb2.SCOPE_TRADE


async def create(client: Client, token: str, **terms: Any) -> api_key_pb2.CreateApiKeyResponse:
    """Makes a key."""
    request = api_key_pb2.CreateApiKeyRequest(**{"name": "robot", "scopes": [TRADE, READ], **terms})
    answer: api_key_pb2.CreateApiKeyResponse = await client.stub.CreateApiKey(request, metadata=bearer(token))
    return answer


async def exchange(client: Client, secret: str, metadata: Metadata = ()) -> session_pb2.Tokens:
    """Exchanges a key."""
    request = api_key_pb2.ExchangeApiKeyRequest(secret=secret)
    tokens: session_pb2.Tokens = (await client.stub.ExchangeApiKey(request, metadata=metadata)).tokens
    return tokens


async def test_a_key_is_exchanged_for_a_token_of_its_scopes(client: Client) -> None:
    """The token is the user's, with the scopes of the key, and has no refresh token; the key's use is told."""
    user = await client.register()
    token = (await client.login()).access_token
    made = await create(client, token)
    tokens = await exchange(client, made.secret)
    claims = jwt.decode(tokens.access_token, options={"verify_signature": False})
    assert (claims["sub"], claims["scopes"], claims["amr"]) == (user.user_id, ["read", "trade"], ["key"])
    assert claims["sid"] == made.api_key.api_key_id
    assert tokens.refresh_token == ""
    assert not tokens.HasField("refresh_token_expires_at")
    assert (await client.profile(tokens.access_token)).user_id == user.user_id
    listed = await client.stub.ListApiKeys(api_key_pb2.ListApiKeysRequest(), metadata=bearer(token))
    [key] = listed.api_keys
    assert (key.last_address, key.HasField("last_used_at")) == ("127.0.0.1", True)
    assert made.secret not in str(listed)


async def test_a_key_does_not_change_how_its_user_proves_who_they_are(client: Client) -> None:
    """What wants a login is refused to a token of a key."""
    await client.register()
    token = (await client.login()).access_token
    mine = bearer((await exchange(client, (await create(client, token)).secret)).access_token)
    calls = [
        client.stub.CreateApiKey(api_key_pb2.CreateApiKeyRequest(name="x", scopes=[READ]), metadata=mine),
        client.stub.ListApiKeys(api_key_pb2.ListApiKeysRequest(), metadata=mine),
        client.stub.ListSessions(session_pb2.ListSessionsRequest(), metadata=mine),
        client.stub.Logout(authentication_pb2.LogoutRequest(), metadata=mine),
        client.stub.UpdateProfile(profile_pb2.UpdateProfileRequest(), metadata=mine),
        client.stub.ChangePassword(
            profile_pb2.ChangePasswordRequest(current_password=PASSWORD, new_password=PASSWORD + "!"), metadata=mine
        ),
    ]
    for call in calls:
        error = await refused(call)
        assert (error.kind, error.reason) == (ErrorKind.PERMISSION, "PERMISSION_DENIED")


async def test_a_revoked_key_is_good_no_more(client: Client) -> None:
    """Neither the key nor, here, its tokens; revoking again changes nothing; another's key is not known."""
    await client.register()
    await client.register("bob")
    token, other = (await client.login()).access_token, (await client.login("bob")).access_token
    made = await create(client, token)
    tokens = await exchange(client, made.secret)
    revoke = api_key_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id)
    assert (await refused(client.stub.RevokeApiKey(revoke, metadata=bearer(other)))).reason == "UNKNOWN_API_KEY"
    first = (await client.stub.RevokeApiKey(revoke, metadata=bearer(token))).api_key
    assert first.HasField("revoked_at")
    assert (await client.stub.RevokeApiKey(revoke, metadata=bearer(token))).api_key == first
    assert (await refused(client.profile(tokens.access_token))).reason == "INVALID_TOKEN"
    gone = await refused(exchange(client, made.secret))
    never = await refused(exchange(client, "omk_never"))
    assert str(gone) == str(never)
    assert gone.reason == "INVALID_CREDENTIALS"
    for include, count in ((False, 0), (True, 1)):
        request = api_key_pb2.ListApiKeysRequest(include_revoked=include)
        assert len((await client.stub.ListApiKeys(request, metadata=bearer(token))).api_keys) == count


async def test_a_key_is_bound_to_addresses_and_time(client: Client, world: World) -> None:
    """From elsewhere and afterwards it is refused; its last token ends with it."""
    await client.register()
    token = (await client.login()).access_token
    end = Timestamp()
    end.FromNanoseconds(world.clock.now_ns() + 100 * 10**9)
    made = await create(client, token, allowed_networks=["192.0.2.0/24", "2001:db8::1"], expires_at=end)
    assert list(made.api_key.allowed_networks) == ["192.0.2.0/24", "2001:db8::1/128"]
    for address, good in (("192.0.2.9", True), ("2001:db8::1", True), ("192.0.3.1", False), ("2001:db8::2", False)):
        call = exchange(client, made.secret, (("x-ordermesh-caller-address", address),))
        if good:
            assert (await call).access_token_expires_at == end
        else:
            assert (await refused(call)).reason == "INVALID_CREDENTIALS"
    assert (await refused(exchange(client, made.secret))).reason == "INVALID_CREDENTIALS"
    world.clock.advance(timedelta(seconds=100))
    late = exchange(client, made.secret, (("x-ordermesh-caller-address", "192.0.2.9"),))
    assert (await refused(late)).reason == "INVALID_CREDENTIALS"


async def test_terms_of_a_key_are_checked(client: Client, world: World) -> None:
    """A network is one, an end lies ahead, a scope is there."""
    await client.register()
    token = (await client.login()).access_token
    past = Timestamp()
    past.FromNanoseconds(world.clock.now_ns())
    for terms, field in (
        ({"allowed_networks": ["192.0.2.0/24", "192.0.2.1/24"]}, "allowed_networks[1]"),
        ({"expires_at": past}, "expires_at"),
        ({"scopes": []}, "scopes"),
    ):
        assert [each.field for each in (await refused(create(client, token, **terms))).violations] == [field]


async def test_a_user_has_so_many_keys(world: World) -> None:
    """Of ten made at once as many are made as there may be; a revoked one makes room."""
    async with world.running(most_api_keys=3) as client:
        await client.register()
        token = (await client.login()).access_token
        results = await asyncio.gather(*(create(client, token) for _ in range(10)), return_exceptions=True)
        reasons = [each.reason for each in results if isinstance(each, CodedError)]
        assert reasons == ["LIMIT_REACHED"] * 7
        made = next(each for each in results if isinstance(each, api_key_pb2.CreateApiKeyResponse))
        revoke = api_key_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id)
        await client.stub.RevokeApiKey(revoke, metadata=bearer(token))
        await create(client, token)
