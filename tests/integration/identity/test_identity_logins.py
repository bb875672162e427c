"""Registering and logging in, against a real Postgres."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import jwt
import pytest

from ordermesh.identity.v1 import authentication_pb2, profile_pb2, user_pb2
from services.kernel.errors import CodedError, ErrorKind
from tests.fixtures.identity import LIVE, OTHER_PASSWORD, PASSWORD, SIMULATION, Client, World, bearer, refused


async def test_a_user_registers_and_logs_in(client: Client) -> None:
    """A new user is a trader without accounts, whose name has no case; the token says who they are."""
    user = await client.register("Ann.B", display_name="Ann", email="ann@example.com")
    assert (user.username, list(user.roles), list(user.account_ids)) == ("ann.b", [user_pb2.ROLE_TRADER], [])
    tokens = await client.login("ANN.b")
    assert (await client.profile(tokens.access_token)) == user
    head = jwt.get_unverified_header(tokens.access_token)
    claims = jwt.decode(tokens.access_token, options={"verify_signature": False})
    assert (head["alg"], head["typ"]) == ("ES256", "at+jwt")
    assert claims["sub"] == user.user_id
    assert (claims["environment"], claims["roles"], claims["accounts"]) == ("simulation", ["trader"], [])
    assert (claims["iss"], claims["aud"], claims["amr"]) == ("ordermesh", "ordermesh", ["pwd"])
    assert claims["scopes"] == ["read", "trade", "manage"]
    assert claims["exp"] - claims["iat"] == 300
    assert claims["sid"]
    assert claims["jti"]


async def test_a_name_is_taken_once_in_an_environment(client: Client) -> None:
    """Of ten at once one is made."""
    results = await asyncio.gather(*(client.register("bob") for _ in range(10)), return_exceptions=True)
    reasons = [each.reason for each in results if isinstance(each, CodedError)]
    assert reasons == ["ALREADY_EXISTS"] * 9


async def test_who_may_not_register_is_told_so(client: Client) -> None:
    """Live users are made by an admin; a password is long, and not the name."""
    live = await refused(client.register("carl", environment=LIVE))
    assert (live.kind, live.reason) == (ErrorKind.PERMISSION, "PERMISSION_DENIED")
    short = await refused(client.register("carl", "short"))
    assert [each.field for each in short.violations] == ["password"]
    same = await refused(client.register("carl.carlsson", "Carl.Carlsson"))
    assert [each.field for each in same.violations] == ["password"]
    assert "arlsson" not in str(same).replace("carl.carlsson", "")


async def test_every_wrong_login_is_answered_alike(client: Client) -> None:
    """Unknown user, wrong password, other environment: one answer, word for word, and one hash each."""
    await client.register()
    answers = []
    for wrong in (
        {"username": "nobody"},
        {"password": OTHER_PASSWORD},
        {"environment": LIVE},
    ):
        before = hashes(client)
        answers.append(await refused(client.try_login(**wrong)))
        assert hashes(client) - before == 1
    assert {(each.kind, str(each), each.retry_after_seconds) for each in answers} == {
        (ErrorKind.UNAUTHENTICATED, str(answers[0]), None)
    }
    assert answers[0].reason == "INVALID_CREDENTIALS"
    before = hashes(client)
    await client.login()
    assert hashes(client) - before == 1


def hashes(client: Client) -> float:
    """Returns how many passwords were hashed so far."""
    value = client.running.service.telemetry.registry.get_sample_value("ordermesh_identity_password_hashes_total")
    assert value is not None
    return value


async def test_guesses_are_slowed_down_whether_the_user_exists_or_not(client: Client, world: World) -> None:
    """After five wrong passwords an account pauses, then twice as long; the right one is refused meanwhile, too."""
    await client.register()
    for name in ("ann", "nobody"):
        for _ in range(5):
            assert (await refused(client.try_login(name, OTHER_PASSWORD))).reason == "INVALID_CREDENTIALS"
        before = hashes(client)
        stopped = await refused(client.try_login(name, PASSWORD))
        assert (stopped.kind, stopped.reason) == (ErrorKind.EXHAUSTED, "TOO_MANY_ATTEMPTS")
        assert stopped.retry_after_seconds == pytest.approx(1)
        assert hashes(client) == before
    world.clock.advance(timedelta(seconds=1))
    await refused(client.try_login(password=OTHER_PASSWORD))
    assert (await refused(client.try_login())).retry_after_seconds == pytest.approx(2)
    world.clock.advance(timedelta(seconds=2))
    await client.login()
    await refused(client.try_login(password=OTHER_PASSWORD))
    await client.login()


async def test_many_guesses_at_once_are_no_more_than_one_after_another(client: Client) -> None:
    """An attempt counts before it is decided: of forty at once five are looked at."""
    await client.register()
    before = hashes(client)
    results = await asyncio.gather(
        *(client.try_login(password=OTHER_PASSWORD) for _ in range(40)), return_exceptions=True
    )
    reasons = [each.reason for each in results if isinstance(each, CodedError)]
    assert (reasons.count("INVALID_CREDENTIALS"), reasons.count("TOO_MANY_ATTEMPTS")) == (5, 35)
    assert hashes(client) - before == 5


async def test_an_address_is_slowed_down_whatever_names_it_tries(world: World) -> None:
    """A few names each from one address are as many attempts; another address is not held up."""
    async with world.running(address_attempts=10, account_attempts=1000) as client:
        await client.register()
        elsewhere = (("x-ordermesh-caller-address", "203.0.113.9"),)
        for number in range(10):
            await refused(client.try_login(f"name{number}", metadata=elsewhere))
        assert (await refused(client.try_login(metadata=elsewhere))).reason == "TOO_MANY_ATTEMPTS"
        await client.try_login(metadata=(("x-ordermesh-caller-address", "198.51.100.7"),))


async def test_a_restart_forgets_no_attempts(world: World) -> None:
    """Attempts are counted in the store."""
    async with world.running() as client:
        await client.register()
        for _ in range(5):
            await refused(client.try_login(password=OTHER_PASSWORD))
    async with world.running() as client:
        assert (await refused(client.try_login())).reason == "TOO_MANY_ATTEMPTS"


async def test_a_hash_of_other_parameters_is_renewed_at_login(world: World) -> None:
    """A login is when the password is there to be hashed anew."""
    async with world.running() as client:
        await client.register()
    async with world.running(argon2_time_cost=2) as client:
        await client.login()
        await client.login()
    [row] = await world.rows("select password_hash from identity.users where username = 'ann'")
    assert "t=2" in row[0]


async def test_a_password_change_ends_the_other_sessions(client: Client) -> None:
    """The session that changes it goes on; the others and the old password do not."""
    await client.register()
    kept, other = await client.login(), await client.login()
    change = profile_pb2.ChangePasswordRequest(current_password=PASSWORD, new_password=OTHER_PASSWORD)
    wrong = profile_pb2.ChangePasswordRequest(current_password="not this one", new_password=OTHER_PASSWORD)
    assert (
        await refused(client.stub.ChangePassword(wrong, metadata=bearer(kept.access_token)))
    ).reason == "INVALID_CREDENTIALS"
    answer = await client.stub.ChangePassword(change, metadata=bearer(kept.access_token))
    assert answer.ended_sessions == 1
    assert (await refused(client.refresh(other.refresh_token))).reason == "INVALID_TOKEN"
    assert (await refused(client.profile(other.access_token))).reason == "INVALID_TOKEN"
    assert (await client.profile((await client.refresh(kept.refresh_token)).access_token)).username == "ann"
    assert (await refused(client.try_login())).reason == "INVALID_CREDENTIALS"
    await client.login(password=OTHER_PASSWORD)


async def test_a_profile_is_changed_at_the_version_that_was_seen(client: Client) -> None:
    """A change to an older version is refused."""
    user = await client.register()
    metadata = bearer((await client.login()).access_token)
    change = profile_pb2.UpdateProfileRequest(display_name="Ann B", email="ann@example.com", version=user.version)
    changed = (await client.stub.UpdateProfile(change, metadata=metadata)).user
    assert (changed.display_name, changed.email, changed.version) == ("Ann B", "ann@example.com", 2)
    assert (await refused(client.stub.UpdateProfile(change, metadata=metadata))).reason == "VERSION_MISMATCH"


async def test_no_password_is_stored_or_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a row of the store, nor an error, nor a line of the log holds a password or a token."""
    async with world.running() as client:
        await client.register()
        tokens = await client.login()
        fresh = await client.refresh(tokens.refresh_token)
        errors = [
            str(await refused(client.try_login(password=OTHER_PASSWORD))),
            str(await refused(client.try_login(OTHER_PASSWORD.replace(" ", "."), environment=SIMULATION))),
            str(await refused(client.refresh(tokens.refresh_token))),
            str(await refused(client.refresh(fresh.refresh_token))),
        ]
    held = " ".join(errors) + caplog.text
    tables = await world.rows("select tablename from pg_tables where schemaname = 'identity'")
    assert len(tables) > 8
    for (table,) in tables:
        held += " ".join(str(tuple(row)) for row in await world.rows(f"select * from identity.{table}"))  # noqa: S608 - the names of tables
    for secret in (PASSWORD, OTHER_PASSWORD, tokens.refresh_token, fresh.refresh_token, tokens.access_token):
        assert secret not in held
        assert secret.encode().hex() not in held
    assert "BEGIN PRIVATE KEY" not in held


async def test_calls_without_a_token_are_refused(client: Client) -> None:
    """No token, two, another scheme, rubbish: INVALID_TOKEN."""
    good = (await client.login("admin")).access_token
    for metadata in (
        (),
        (("authorization", "Bearer"),),
        (("authorization", f"Basic {good}"),),
        (("authorization", "Bearer x.y.z"),),
        bearer(good + "x"),
        bearer(good) * 2,
    ):
        call = client.stub.Logout(authentication_pb2.LogoutRequest(), metadata=metadata)
        error = await refused(call)
        assert (error.kind, error.reason) == (ErrorKind.UNAUTHENTICATED, "INVALID_TOKEN")
    await client.stub.Logout(authentication_pb2.LogoutRequest(), metadata=(("authorization", f"bearer {good}"),))
