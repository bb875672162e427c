"""Sessions: refreshed, replayed, listed, ended."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import asyncpg
import jwt
import pytest

from ordermesh.identity.v1 import authentication_pb2, session_pb2
from services.identity.domain.session import begin
from services.identity.store.schema import SCHEMA
from services.identity.store.sessions import PostgresSessionStore
from services.kernel.errors import CodedError, ErrorKind
from services.storage.audit_log import AuditTrail
from services.storage.database import Database
from tests.fixtures.identity import Client, World, bearer, refused
from tests.fixtures.waiting import eventually


async def test_a_refresh_token_is_good_once(client: Client) -> None:
    """Each refresh gives new tokens; one presented again ends the session, for who has the newest as well."""
    await client.register()
    first = await client.login()
    bystander = await client.login()
    second = await client.refresh(first.refresh_token)
    third = await client.refresh(second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    replayed = await refused(client.refresh(first.refresh_token))
    assert (replayed.kind, replayed.reason) == (ErrorKind.UNAUTHENTICATED, "REFRESH_TOKEN_REUSED")
    assert (await refused(client.refresh(third.refresh_token))).reason == "INVALID_TOKEN"
    assert (await refused(client.profile(third.access_token))).reason == "INVALID_TOKEN"
    await client.refresh(bystander.refresh_token)


async def test_of_many_who_refresh_at_once_one_gets_tokens_and_the_session_ends(client: Client) -> None:
    """Presented ten times at once, a token is exchanged once; the second time gives it away."""
    await client.register()
    tokens = await client.login()
    results = await asyncio.gather(*(client.refresh(tokens.refresh_token) for _ in range(10)), return_exceptions=True)
    fresh = [each for each in results if isinstance(each, session_pb2.Tokens)]
    reasons = sorted(each.reason for each in results if isinstance(each, CodedError))
    assert reasons == ["INVALID_TOKEN"] * 8 + ["REFRESH_TOKEN_REUSED"]
    assert len(fresh) == 1
    assert (await refused(client.refresh(fresh[0].refresh_token))).reason == "INVALID_TOKEN"


async def test_a_session_ends_idle_or_old(world: World) -> None:
    """Refreshed in time it goes on, but not beyond its most; an access token ends with it."""
    async with world.running(session_idle_seconds=3600, session_most_seconds=9000) as client:
        await client.register()
        tokens, idle = await client.login(), await client.login()
        for _ in range(2):
            world.clock.advance(timedelta(seconds=3500))
            tokens = await client.refresh(tokens.refresh_token)
        assert (await refused(client.refresh(idle.refresh_token))).reason == "INVALID_TOKEN"
        world.clock.advance(timedelta(seconds=1900))
        tokens = await client.refresh(tokens.refresh_token)
        left = tokens.access_token_expires_at.ToNanoseconds() - world.clock.now_ns()
        assert left == pytest.approx(100e9, abs=1e9)
        world.clock.advance(timedelta(seconds=100))
        assert (await refused(client.refresh(tokens.refresh_token))).reason == "INVALID_TOKEN"
        assert (await refused(client.profile(tokens.access_token))).reason == "INVALID_TOKEN"


async def test_an_access_token_ends_by_itself(client: Client, world: World) -> None:
    """After five minutes it is refused, while its session goes on."""
    await client.register()
    tokens = await client.login()
    world.clock.advance(timedelta(seconds=299))
    await client.profile(tokens.access_token)
    world.clock.advance(timedelta(seconds=1))
    assert (await refused(client.profile(tokens.access_token))).reason == "INVALID_TOKEN"
    await client.refresh(tokens.refresh_token)


async def test_logging_out_ends_the_session(client: Client) -> None:
    """Neither its access token nor its refresh token is good afterwards."""
    await client.register()
    tokens = await client.login()
    await client.stub.Logout(authentication_pb2.LogoutRequest(), metadata=bearer(tokens.access_token))
    assert (await refused(client.profile(tokens.access_token))).reason == "INVALID_TOKEN"
    assert (await refused(client.refresh(tokens.refresh_token))).reason == "INVALID_TOKEN"


async def test_sessions_are_listed_page_by_page_and_ended(client: Client) -> None:
    """One sees one's own sessions, which of them is asking, and ends others; somebody else's is not known."""
    await client.register()
    await client.register("bob")
    mine = [await client.login(client=f"client {number}") for number in range(3)]
    other = await client.login("bob")
    metadata = bearer(mine[1].access_token)
    told: list[session_pb2.Session] = []
    token = ""
    while True:
        request = session_pb2.ListSessionsRequest(page_size=2, page_token=token)
        page = await client.stub.ListSessions(request, metadata=metadata)
        told += page.sessions
        token = page.next_page_token
        if not token:
            break
    assert [(each.client, each.current) for each in told] == [
        ("client 0", False),
        ("client 1", True),
        ("client 2", False),
    ]
    assert {each.address for each in told} == {"127.0.0.1"}
    end = session_pb2.RevokeSessionRequest(session_id=told[2].session_id)
    await client.stub.RevokeSession(end, metadata=metadata)
    assert (await refused(client.stub.RevokeSession(end, metadata=metadata))).reason == "UNKNOWN_SESSION"
    assert (await refused(client.refresh(mine[2].refresh_token))).reason == "INVALID_TOKEN"
    not_mine = session_pb2.RevokeSessionRequest(session_id=sid(other.access_token))
    assert (await refused(client.stub.RevokeSession(not_mine, metadata=metadata))).reason == "UNKNOWN_SESSION"
    await client.refresh(other.refresh_token)


def sid(token: str) -> str:
    """Returns the session of a token."""
    return str(jwt.decode(token, options={"verify_signature": False})["sid"])


async def test_a_user_has_so_many_sessions(world: World) -> None:
    """One more ends the oldest."""
    async with world.running(most_sessions=2) as client:
        await client.register()
        tokens = [await client.login() for _ in range(3)]
        assert (await refused(client.refresh(tokens[0].refresh_token))).reason == "INVALID_TOKEN"
        for each in tokens[1:]:
            await client.refresh(each.refresh_token)


async def test_a_login_decided_by_an_old_password_begins_no_session(client: Client, world: World) -> None:
    """A change of the password between the check and the session makes it void; so does a user disabled meanwhile."""
    user = await client.register()
    now = world.clock.now()
    rules = world.settings.session_rules()
    async with Database(world.postgres_url, SCHEMA) as database:
        store = PostgresSessionStore(database, AuditTrail("identity"))

        async def begins(version: int) -> bool:
            session_id = str(uuid.uuid4())
            session = begin(session_id, user.user_id, rules, now, address="", client="", second_factor=False)
            return await store.begin(session, session_id.encode(), version, 50)

        assert [await begins(1), await begins(2)] == [True, False]
        await world.rows("update identity.users set disabled = true where username = 'ann'")
        assert not await begins(1)


async def test_what_is_over_is_removed_after_a_week(world: World) -> None:
    """Sessions with their tokens, challenges and attempts go; what goes on stays."""
    async with world.running(session_idle_seconds=8 * 86_400, sweep_interval_seconds=0.05) as client:
        await client.register()
        await refused(client.try_login("nobody"))
        over = await client.login()
        await client.stub.Logout(authentication_pb2.LogoutRequest(), metadata=bearer(over.access_token))
        kept = await client.login()
        world.clock.advance(timedelta(days=7, seconds=1))
        await eventually(lambda: world.rows("select 1 from identity.session"), lambda rows: len(rows) == 1, 10)
        assert len(await world.rows("select 1 from identity.refresh_token")) == 1
        assert await world.rows("select 1 from identity.attempts") == []
        await client.refresh(kept.refresh_token)


async def test_a_refresh_that_the_store_could_not_serve_may_be_sent_again(client: Client, world: World) -> None:
    """While the store refuses writes, nothing is used up."""
    await client.register()
    tokens = await client.login()
    [database] = (await world.rows("select current_database()"))[0]
    try:
        await world.rows(f'alter database "{database}" set default_transaction_read_only = on')
        await world.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name like '%identity'"
        )
        error = await refused(client.refresh(tokens.refresh_token))
        assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "STORE_UNAVAILABLE")
    finally:
        connection = await asyncpg.connect(world.postgres_url)
        await connection.execute("set default_transaction_read_only = off")
        await connection.execute(f'alter database "{database}" reset default_transaction_read_only')
        await connection.close()
    await world.rows("select pg_terminate_backend(pid) from pg_stat_activity where application_name like '%identity'")
    async with asyncio.timeout(10):
        while True:
            try:
                await client.refresh(tokens.refresh_token)
                break
            except CodedError as failure:
                # The pool finds out about its lost connections one by one.
                assert failure.reason == "STORE_UNAVAILABLE"  # noqa: PT017 - any other ends the test
