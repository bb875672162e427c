"""Who changed what is recorded with the change, chained, told to compliance, and proved to be as it was written."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ordermesh.event.v1 import audit_record_pb2
from ordermesh.identity.v1 import (
    api_key_pb2,
    authentication_pb2,
    profile_pb2,
    second_factor_pb2,
    session_pb2,
    user_admin_pb2,
    user_pb2,
)
from services.identity.domain.values import Environment
from tests.fixtures import audited
from tests.fixtures.auditor import Auditor, auditor, values
from tests.fixtures.identity import (
    ADMIN,
    LIVE,
    OTHER_PASSWORD,
    PASSWORD,
    Client,
    World,
    bearer,
    code,
    refused,
)

pytestmark = pytest.mark.asyncio

DONE, REFUSED = audit_record_pb2.AUDIT_OUTCOME_DONE, audit_record_pb2.AUDIT_OUTCOME_REFUSED


async def test_users_and_who_changed_them(client: Client) -> None:
    """Each change has its record: who, from where, by which call, old and new; no hash of a password."""
    admin = await auditor(client)
    request = user_admin_pb2.CreateUserRequest(username="bob", password=PASSWORD, roles=[user_pb2.ROLE_TRADER])
    trace = "0af7651916cd43dd8448eb211c80319c"
    metadata = (*admin.metadata, ("traceparent", f"00-{trace}-b7ad6b7169203331-00"))
    bob = (await client.stub.CreateUser(request, metadata=metadata)).user
    made = await admin.last("user", bob.user_id, 1)
    assert not made.HasField("old_value")
    assert (made.actor.username, made.actor.request_id, made.actor.address) == (ADMIN, trace, "127.0.0.1")
    assert made.rpc == "/ordermesh.identity.v1.IdentityService/CreateUser"
    assert list(made.actor.roles) == [user_pb2.ROLE_ADMIN]
    assert (made.outcome, made.source) == (DONE, "identity")
    change = user_admin_pb2.UpdateUserRequest(
        user_id=bob.user_id, roles=[user_pb2.ROLE_DEALER], account_ids=["a-1"], disabled=True
    )
    await client.stub.UpdateUser(change, metadata=admin.metadata)
    old, new = values(await admin.last("user", bob.user_id, 2))
    assert (old["roles"], new["roles"]) == (["TRADER"], ["DEALER"])
    assert (old["account_ids"], new["account_ids"], new["disabled"]) == ([], ["a-1"], True)
    assert "password_hash" not in old


async def test_profile_and_password(client: Client) -> None:
    """What users change of themselves, and a password that is good no more, of which nobody knows who gave it."""
    admin, ann = await auditor(client), await client.register()
    tokens = await client.login()
    mine = bearer(tokens.access_token)
    await client.stub.UpdateProfile(profile_pb2.UpdateProfileRequest(display_name="Ann"), metadata=mine)
    wish = profile_pb2.ChangePasswordRequest(current_password=PASSWORD, new_password=OTHER_PASSWORD)
    await client.stub.ChangePassword(wish, metadata=mine)
    assert (await refused(client.login())).reason == "INVALID_CREDENTIALS"
    found = await admin.until(lambda all_: len(all_) == 4, entity_type="user", entity_id=ann.user_id)
    assert [each.rpc.rpartition("/")[2] for each in found] == ["Register", "UpdateProfile", "ChangePassword", "Login"]
    assert values(found[1])[1]["display_name"] == "Ann"
    assert values(found[2]) == ({"password_version": 1.0}, {"password_version": 2.0, "ended_sessions": 0.0})
    assert (found[3].outcome, found[3].reason, found[3].actor.user_id) == (REFUSED, "INVALID_CREDENTIALS", "")


async def test_guesses_are_recorded_as_far_as_they_are_looked_at(world: World) -> None:
    """Of a user by id, of nobody without the name; what comes within a pause is not looked at, and fills no audit."""
    async with world.running(account_attempts=3) as client:
        admin, ann = await auditor(client), await client.register()
        for username in ("ann", "nobody-of-that-name"):
            for number in range(20):
                await refused(client.login(username, f"guess number {number}"))
        found = await admin.until(
            lambda all_: sum(each.outcome == REFUSED for each in all_) == 2 * 3, entity_type="user"
        )
        guesses = [each for each in found if each.outcome == REFUSED]
        assert [each.entity_id for each in guesses] == [ann.user_id] * 3 + [""] * 3
        assert all(each.rpc.endswith("/Login") and each.actor.address for each in guesses)
        everything = b"".join([each.SerializeToString() for each in await admin.records()])
        assert b"nobody-of-that-name" not in everything
        assert b"guess number" not in everything


async def test_api_keys(client: Client) -> None:
    """Made, used, revoked, and refused to whoever uses it then."""
    admin, _ = await auditor(client), await client.register()
    mine = bearer((await client.login()).access_token)
    key = await client.stub.CreateApiKey(
        api_key_pb2.CreateApiKeyRequest(name="bot", scopes=[user_pb2.SCOPE_READ]), metadata=mine
    )
    await client.stub.ExchangeApiKey(api_key_pb2.ExchangeApiKeyRequest(secret=key.secret))
    await client.stub.RevokeApiKey(api_key_pb2.RevokeApiKeyRequest(api_key_id=key.api_key.api_key_id), metadata=mine)
    assert (await refused(client.stub.ExchangeApiKey(api_key_pb2.ExchangeApiKeyRequest(secret=key.secret)))).reason
    found = await admin.until(lambda all_: len(all_) == 4, entity_id=key.api_key.api_key_id)
    assert [each.outcome for each in found] == [DONE, DONE, DONE, REFUSED]
    assert [each.actor.username for each in found] == ["ann", "ann", "ann", ""]
    assert "revoked_at" in values(found[2])[1]


async def test_sessions(client: Client) -> None:
    """Refreshed, ended by a refresh token that somebody has used before, and by a logout."""
    admin, _ = await auditor(client), await client.register()
    tokens = await client.login()
    refreshed = await client.refresh(tokens.refresh_token)
    await refused(client.refresh(tokens.refresh_token))
    assert (await refused(client.profile(refreshed.access_token))).reason == "INVALID_TOKEN"
    other = await client.login()
    await client.stub.Logout(authentication_pb2.LogoutRequest(), metadata=bearer(other.access_token))
    kinds = await admin.until(lambda all_: any(each.rpc.endswith("/Logout") for each in all_))
    assert values(kinds[-1])[0]["ended_at"] is None
    assert [each.outcome for each in kinds if each.reason == "REFRESH_TOKEN_REUSED"] == [REFUSED]


async def test_tokens_of_sessions_that_are_over(client: Client) -> None:
    """An access token, a refresh token, a token of an API key: counted under what is over, and recorded soon after."""
    admin, _ = await auditor(client), await client.register()
    tokens, other = await client.login(), await client.login()
    wish = api_key_pb2.CreateApiKeyRequest(name="bot", scopes=[user_pb2.SCOPE_READ])
    key = await client.stub.CreateApiKey(wish, metadata=bearer(other.access_token))
    exchanged = await client.stub.ExchangeApiKey(api_key_pb2.ExchangeApiKeyRequest(secret=key.secret))
    revoke = api_key_pb2.RevokeApiKeyRequest(api_key_id=key.api_key.api_key_id)
    await client.stub.RevokeApiKey(revoke, metadata=bearer(other.access_token))
    await client.stub.Logout(authentication_pb2.LogoutRequest(), metadata=bearer(tokens.access_token))
    for _ in range(3):
        await refused(client.profile(tokens.access_token))
        await refused(client.refresh(tokens.refresh_token))
    await refused(client.profile(exchanged.tokens.access_token))
    ended = await admin.until(lambda all_: sum(each.reason == "INVALID_TOKEN" for each in all_) == 3)
    told = {
        (each.entity_type, each.rpc.rpartition("/")[2]): (each.outcome, each.environment)
        for each in ended
        if each.reason
    }
    kinds = [("session", "GetProfile"), ("session", "RefreshTokens"), ("api_key", "GetProfile")]
    assert told == dict.fromkeys(kinds, (REFUSED, Environment.SIMULATION.value))
    assert all(1 <= values(each)[1]["times"] <= 3 for each in ended if each.reason)
    assert {each.entity_id for each in ended if each.reason} >= {key.api_key.api_key_id}


async def test_calls_that_are_refused(client: Client) -> None:
    """What was called that the caller may not, and attempts within a pause: how often, and not each by itself."""
    admin, _ = await auditor(client), await client.register()
    mine = Auditor(client, bearer((await client.login()).access_token))
    for _ in range(4):
        await refused(mine.records())
    for _ in range(9):
        await refused(client.login("nobody-of-that-name", "wrong, and wrong again"))
    found = await admin.until(lambda all_: len(all_) == 2, entity_type="call")
    told = {each.reason: each.rpc.rpartition("/")[2] for each in found}
    assert told == {"PERMISSION_DENIED": "ListAuditRecords", "TOO_MANY_ATTEMPTS": "Login"}
    assert all(1 <= values(each)[1]["times"] <= 4 for each in found)
    assert all(each.outcome == REFUSED and each.actor.address == "127.0.0.1" for each in found)


async def test_a_second_factor(client: Client) -> None:
    """Begun, confirmed, its codes renewed and used, wrong ones refused, removed; the secret is told nowhere."""
    admin, ann = await auditor(client), await client.register()
    mine = bearer((await client.login()).access_token)
    secret, recovery = await client.add_second_factor(mine[0][1].removeprefix("Bearer "))
    challenge = (await client.try_login()).challenge.challenge
    assert (await refused(client.verify(challenge, "000000"))).reason == "INVALID_CODE"
    await client.verify(challenge, recovery[0])
    renew = second_factor_pb2.RenewRecoveryCodesRequest(code=code(secret, client.clock, 1))
    codes = (await client.stub.RenewRecoveryCodes(renew, metadata=mine)).recovery_codes
    off = second_factor_pb2.DisableSecondFactorRequest(password=PASSWORD, code=codes[0])
    await client.stub.DisableSecondFactor(off, metadata=mine)
    found = await admin.until(lambda all_: len(all_) == 7, entity_type="second_factor", entity_id=ann.user_id)
    told = [values(each)[1].get("state") or each.reason for each in found]
    used = "recovery code used"
    assert told == ["begun", "confirmed", "INVALID_CODE", used, "recovery codes renewed", used, ""]
    everything = b"".join([each.SerializeToString() for each in await admin.records()])
    assert secret.encode() not in everything
    assert recovery[0].encode() not in everything
    begun = await admin.until(lambda all_: len(all_) == 1, entity_type="login_challenge")
    assert "challenge_hash" not in values(begun[0])[1]


async def test_sessions_of_ones_own_are_ended(client: Client) -> None:
    """A session that was revoked says who revoked it."""
    admin, ann = await auditor(client), await client.register()
    first, second = await client.login(), await client.login()
    listed = await client.stub.ListSessions(session_pb2.ListSessionsRequest(), metadata=bearer(first.access_token))
    other = next(each.session_id for each in listed.sessions if not each.current)
    await client.stub.RevokeSession(
        session_pb2.RevokeSessionRequest(session_id=other), metadata=bearer(first.access_token)
    )
    record = await admin.last("session", other, 2)
    assert (record.actor.user_id, record.actor.session_id != other) == (ann.user_id, True)
    assert second.refresh_token.encode() not in record.SerializeToString()


async def test_each_world_has_its_own(world: World) -> None:
    """What was done in one is not told to who lives in the other; who may not read users reads nothing."""
    async with world.running(registration=(Environment.SIMULATION, Environment.LIVE)) as client:
        admin, ann = await auditor(client), await client.register()
        lou = await client.register("lou", environment=LIVE)
        await admin.last("user", ann.user_id, 1)
        await client.login("lou", environment=LIVE)
        await world.rows("select 1")
        found = await admin.records()
        assert lou.user_id not in {each.entity_id for each in found}
        mine = Auditor(client, bearer((await client.login()).access_token))
        for call in (mine.records(), mine.verify()):
            assert (await refused(call)).reason == "PERMISSION_DENIED"


async def test_every_rpc_that_changes_something_is_recorded(client: Client) -> None:
    """Each of them leaves a record that names it."""
    admin = await auditor(client)
    await client.register()
    tokens = await client.login()
    access = (await client.refresh(tokens.refresh_token)).access_token
    mine = bearer(access)
    stub = client.stub
    await stub.UpdateProfile(profile_pb2.UpdateProfileRequest(display_name="Ann"), metadata=mine)
    secret, _ = await client.add_second_factor(access)
    await client.verify((await client.try_login()).challenge.challenge, code(secret, client.clock, 1))
    client.clock.advance(timedelta(seconds=60))
    renew = second_factor_pb2.RenewRecoveryCodesRequest(code=code(secret, client.clock))
    codes = (await stub.RenewRecoveryCodes(renew, metadata=mine)).recovery_codes
    off = second_factor_pb2.DisableSecondFactorRequest(password=PASSWORD, code=codes[0])
    await stub.DisableSecondFactor(off, metadata=mine)
    wish = api_key_pb2.CreateApiKeyRequest(name="bot", scopes=[user_pb2.SCOPE_READ])
    key = await stub.CreateApiKey(wish, metadata=mine)
    await stub.ExchangeApiKey(api_key_pb2.ExchangeApiKeyRequest(secret=key.secret))
    await stub.RevokeApiKey(api_key_pb2.RevokeApiKeyRequest(api_key_id=key.api_key.api_key_id), metadata=mine)
    listed = await stub.ListSessions(session_pb2.ListSessionsRequest(), metadata=mine)
    other = next(each.session_id for each in listed.sessions if not each.current)
    await stub.RevokeSession(session_pb2.RevokeSessionRequest(session_id=other), metadata=mine)
    change = profile_pb2.ChangePasswordRequest(current_password=PASSWORD, new_password=OTHER_PASSWORD)
    await stub.ChangePassword(change, metadata=mine)
    request = user_admin_pb2.CreateUserRequest(username="bob", password=PASSWORD, roles=[user_pb2.ROLE_TRADER])
    bob = (await stub.CreateUser(request, metadata=admin.metadata)).user
    update = user_admin_pb2.UpdateUserRequest(user_id=bob.user_id, roles=[user_pb2.ROLE_DEALER])
    await stub.UpdateUser(update, metadata=admin.metadata)
    await stub.Logout(authentication_pb2.LogoutRequest(), metadata=mine)
    await admin.until(lambda all_: {each.rpc.removeprefix("/ordermesh.") for each in all_} >= audited.IDENTITY)
