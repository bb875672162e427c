"""The chain of records on a real Postgres: whoever changes it, with whatever rights, is found out."""

from __future__ import annotations

import hashlib
import secrets

import asyncpg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.event.v1 import audit_record_pb2
from ordermesh.identity.v1 import (
    audit_pb2,
)
from tests.fixtures.auditor import Auditor, auditor, values
from tests.fixtures.identity import (
    Client,
    World,
    refused,
)
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.asyncio

AuditRecord = audit_record_pb2.AuditRecord
Fault = audit_pb2.AuditFault
BEYOND = Timestamp(seconds=1 << 40)


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


GARBAGE = {
    "no message": b"\xff\xff\xff",
    "nothing": b"",
    "a zero byte": AuditRecord(audit_id="1", entity_id="a\0b").SerializeToString(),
    "a time beyond the calendar": AuditRecord(audit_id="1", at=BEYOND).SerializeToString(),
    "a world beyond its column": AuditRecord(audit_id="1", environment=1 << 20).SerializeToString(),  # type: ignore[arg-type]
    "a name beyond the index": AuditRecord(audit_id="1", entity_id=secrets.token_hex(4000)).SerializeToString(),
}


@pytest.mark.parametrize("stored", GARBAGE.values(), ids=GARBAGE.keys())
async def test_what_is_no_record_is_kept_as_it_is_and_told(client: Client, world: World, stored: bytes) -> None:
    """Nobody hides what they did by breaking its record: its bytes are chained, and verifying tells where."""
    admin = await auditor(client)
    connection = await asyncpg.connect(world.postgres_url)
    try:
        place = await connection.fetchval(
            "with head as (update identity.audit_log_head set sequence = sequence + 1 returning sequence) "
            "insert into identity.audit_log select sequence, $1 from head returning sequence",
            stored,
        )
    finally:
        await connection.close()
    await client.register("ann")
    found = await admin.until(lambda found: any(each.rpc.endswith("/Register") for each in found))
    (kept,) = [each for each in found if each.source_sequence == place]
    assert kept.HasField("unreadable")
    assert (kept.unreadable, kept.entity_type, kept.source) == (stored, "audit_log", "identity")
    told = await admin.verify()
    assert not told.HasField("fault")
    assert list(told.unreadable_sequences) == [kept.sequence]
