"""Who changed what is recorded with the change, chained, told to compliance, and proved to be as it was written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from google.protobuf.json_format import MessageToDict

from ordermesh.event.v1 import audit_record_pb2
from ordermesh.identity.v1 import (
    api_key_pb2,
    audit_pb2,
    audit_service_pb2_grpc,
    authentication_pb2,
    profile_pb2,
    second_factor_pb2,
    session_pb2,
    user_admin_pb2,
    user_pb2,
)
from services.identity.domain.values import Environment
from tests.fixtures import audited
from tests.fixtures.identity import (
    ADMIN,
    LIVE,
    OTHER_PASSWORD,
    PASSWORD,
    Client,
    Metadata,
    World,
    bearer,
    code,
    refused,
)
from tests.fixtures.trader import eventually

pytestmark = pytest.mark.asyncio

Fault = audit_pb2.AuditFault
DONE, REFUSED = audit_record_pb2.AUDIT_OUTCOME_DONE, audit_record_pb2.AUDIT_OUTCOME_REFUSED


class Auditor:
    """Somebody who may read the audit."""

    def __init__(self, client: Client, metadata: Metadata) -> None:
        self.stub: Any = audit_service_pb2_grpc.AuditServiceStub(client.running.channel)
        self.metadata = metadata

    async def records(self, **filters: Any) -> list[audit_record_pb2.AuditRecord]:
        """Returns records, the first chained first."""
        request = audit_pb2.ListAuditRecordsRequest(page_size=1000, **filters)
        answer = await self.stub.ListAuditRecords(request, metadata=self.metadata)
        return [entry.record for entry in reversed(answer.entries)]

    async def until(
        self, good: Callable[[Sequence[audit_record_pb2.AuditRecord]], bool], **filters: Any
    ) -> list[audit_record_pb2.AuditRecord]:
        """Returns records once they are as they should be."""
        return await eventually(lambda: self.records(**filters), good)

    async def last(self, entity_type: str, entity_id: str, count: int) -> audit_record_pb2.AuditRecord:
        """Returns the last record of an entity, once there are so many."""
        return (await self.until(lambda found: len(found) == count, entity_type=entity_type, entity_id=entity_id))[-1]

    async def verify(self, **request: Any) -> audit_pb2.VerifyAuditResponse:
        """Verifies the chain."""
        answer: audit_pb2.VerifyAuditResponse = await self.stub.VerifyAudit(
            audit_pb2.VerifyAuditRequest(**request), metadata=self.metadata
        )
        return answer


async def auditor(client: Client) -> Auditor:
    """Returns the admin, as who reads the audit."""
    return Auditor(client, bearer((await client.login(ADMIN)).access_token))


def values(record: audit_record_pb2.AuditRecord) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns what there was before and what there is after."""
    return MessageToDict(record.old_value), MessageToDict(record.new_value)


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


async def test_pages_and_hashes(client: Client) -> None:
    """Records are listed page by page, and each hash can be worked out by whoever reads them."""
    admin = await auditor(client)
    for name in ("ann", "bob", "cy"):
        await client.register(name)
    await admin.until(lambda found: sum(each.rpc.endswith("/Register") for each in found) == 3)
    request = audit_pb2.ListAuditRecordsRequest(page_size=2, entity_type="user")
    seen: list[int] = []
    while True:
        page = await admin.stub.ListAuditRecords(request, metadata=admin.metadata)
        seen += [entry.record.sequence for entry in page.entries]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen)) == 4
    one = (
        await admin.stub.GetAuditRecord(audit_pb2.GetAuditRecordRequest(sequence=seen[0]), metadata=admin.metadata)
    ).entry
    assert audit_record_pb2.AuditRecord.FromString(one.content) == one.record
    assert hashlib.sha256(bytes.fromhex(one.previous_hash) + one.content).hexdigest() == one.hash
    nothing = audit_pb2.GetAuditRecordRequest(sequence=10**9)
    error = await refused(admin.stub.GetAuditRecord(nothing, metadata=admin.metadata))
    assert error.reason == "UNKNOWN_AUDIT_RECORD"


async def tampered(world: World, *statements: str) -> None:
    """Changes the store as its superuser, who needs to switch the triggers off for it."""
    connection = await asyncpg.connect(world.postgres_url)
    try:
        await connection.execute("set session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def sealed(client: Client) -> tuple[Auditor, int]:
    """Returns the admin, and the last place of a chain of some records that is sealed."""
    admin = await auditor(client)
    for name in ("ann", "bob", "cy"):
        await client.register(name)
    told = await eventually(admin.verify, lambda told: told.sealed_sequence == told.last_sequence >= 6)
    assert not told.HasField("fault")
    assert told.verified_sequence == told.last_sequence
    return admin, told.last_sequence


async def test_tampering_shows(world: World) -> None:
    """A changed record, one changed with its hash, one that is found elsewhere, one that is gone, and a cut tail."""
    again = "update identity.audit_record set hash = sha256((select p.hash from identity.audit_record p where p.sequence = {0} - 1) || content) where sequence = {0}"  # noqa: E501 - one statement
    async with world.running(audit_seal_seconds=0.01) as client:
        admin, last = await sealed(client)
        cut = f"delete from identity.audit_record where sequence >= {last - 1}"  # noqa: S608 - a number
        flip = (
            "update identity.audit_record set content = set_byte(content, 5, get_byte(content, 5) # 1) "
            "where sequence = 3"
        )
        cases = (
            ((flip,), {(3, Fault.KIND_CHANGED)}),
            ((flip, again.format(3)), {(4, Fault.KIND_CHANGED), (3, Fault.KIND_SEAL_BROKEN)}),
            (("update identity.audit_record set entity_id = 'x' where sequence = 2",), {(2, Fault.KIND_CHANGED)}),
            (("delete from identity.audit_record where sequence = 4",), {(4, Fault.KIND_MISSING)}),
            ((cut,), {(last - 1, Fault.KIND_MISSING)}),
        )
        for statements, expected in cases:
            await tampered(world, "create table if not exists public.kept as select * from identity.audit_record")
            await tampered(world, *statements)
            told = await admin.verify()
            assert (told.fault.sequence, told.fault.kind) in expected, statements
            assert told.verified_sequence in (told.fault.sequence - 1, told.fault.sequence)
            await tampered(
                world,
                "delete from identity.audit_record",
                "insert into identity.audit_record select * from public.kept",
                "drop table public.kept",
            )
            assert not (await admin.verify()).HasField("fault")


async def test_a_chain_that_was_written_anew_breaks_its_seals(world: World) -> None:
    """Who may write everything in the store cannot seal: the key is not there. What was kept elsewhere shows it."""
    async with world.running(audit_seal_seconds=0.01) as client:
        admin, last = await sealed(client)
        known = await admin.verify(limit=3)
        assert (known.verified_sequence, known.last_sequence >= last) == (3, True)
        rest = await admin.verify(after_sequence=3, after_hash=known.verified_hash)
        assert not rest.HasField("fault")
        statements = ["update identity.audit_record set content = content || '\\x5200'::bytea where sequence = 2"]
        again = (
            "update identity.audit_record r set hash = sha256(p.hash || r.content) from identity.audit_record p "
            "where p.sequence = r.sequence - 1 and r.sequence = {}"
        )
        statements += [again.format(sequence) for sequence in range(2, last + 10)]
        await tampered(world, *statements)
        told = await admin.verify()
        assert told.fault.kind == Fault.KIND_SEAL_BROKEN
        told = await admin.verify(after_sequence=3, after_hash=known.verified_hash)
        assert (told.fault.sequence, told.fault.kind) == (3, Fault.KIND_CHANGED)


async def test_the_tables_are_append_only(client: Client, world: World) -> None:
    """Updates, deletes and truncation are refused, of the log and of the chain."""
    admin = await auditor(client)
    await admin.until(lambda found: len(found) > 1)
    for table in ("audit_log", "audit_record"):
        for statement in ("delete from identity.{}", "truncate identity.{}", "update identity.{} set sequence = 99"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await world.rows(statement.format(table))


async def test_a_log_with_a_hole_is_told(client: Client, world: World) -> None:
    """Who removes a record before it is chained leaves a hole, which the chain names; it goes on behind it."""
    admin = await auditor(client)
    await admin.until(lambda found: any(each.rpc.endswith("/Login") for each in found))
    # As if two records had been written and removed.
    await world.rows("update identity.audit_log_head set sequence = sequence + 2")
    ann = await client.register()
    await admin.last("user", ann.user_id, 1)
    (hole,) = await admin.records(entity_type="audit_log")
    missing = values(hole)[1]
    assert (hole.entity_id, missing["missing_until"] - missing["missing_from"]) == ("identity", 2)


async def test_what_is_not_stored_is_not_recorded(client: Client, world: World) -> None:
    """A call that fails after its record was written leaves neither: both are of one transaction."""
    admin = await auditor(client)
    before = len(await world.rows("select from identity.audit_log"))
    await world.rows(
        "create function identity.fail() returns trigger language plpgsql as $$ "
        "begin raise exception 'no' using errcode = 'disk_full'; end $$"
    )
    await world.rows(
        "create constraint trigger fail after insert on identity.users deferrable initially deferred "
        "for each row execute function identity.fail()"
    )
    assert (await refused(client.register())).reason == "STORE_UNAVAILABLE"
    await world.rows("drop trigger fail on identity.users")
    assert len(await world.rows("select from identity.audit_log")) == before
    assert (await client.register()).username == "ann"
    await admin.until(lambda found: any(each.rpc.endswith("/Register") for each in found))


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
