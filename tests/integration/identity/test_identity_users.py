"""Users as admins keep them, and the first of them, against a real Postgres."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from pydantic import SecretStr, ValidationError

from ordermesh.identity.v1 import user_admin_pb2, user_pb2
from services.identity.config import IdentitySettings
from services.identity.domain.values import Environment
from services.kernel.errors import ErrorKind
from tests.fixtures.identity import ADMIN, LIVE, OTHER_PASSWORD, PASSWORD, Client, Metadata, World, bearer, refused

TRADER, DEALER = user_pb2.ROLE_TRADER, user_pb2.ROLE_DEALER


async def as_admin(client: Client) -> Metadata:
    """Returns the metadata of the admin."""
    return bearer((await client.login(ADMIN)).access_token)


async def update(client: Client, metadata: Metadata, user: user_pb2.User, **access: Any) -> user_pb2.User:
    """Changes what a user may do."""
    request = user_admin_pb2.UpdateUserRequest(user_id=user.user_id, **{"roles": [TRADER], **access})
    changed: user_pb2.User = (await client.stub.UpdateUser(request, metadata=metadata)).user
    return changed


async def test_an_admin_makes_a_user_and_says_what_they_may_do(client: Client) -> None:
    """The next token of the user says it."""
    metadata = await as_admin(client)
    make = user_admin_pb2.CreateUserRequest(username="Dora", password=PASSWORD, roles=[DEALER], account_ids=["b", "a"])
    user = (await client.stub.CreateUser(make, metadata=metadata)).user
    assert (user.username, list(user.account_ids)) == ("dora", ["a", "b"])
    assert (await refused(client.stub.CreateUser(make, metadata=metadata))).reason == "ALREADY_EXISTS"
    tokens = await client.login("dora")
    changed = await update(client, metadata, user, roles=[DEALER, TRADER], account_ids=["c"], version=user.version)
    assert changed.version == 2
    stale = update(client, metadata, user, version=user.version)
    assert (await refused(stale)).reason == "VERSION_MISMATCH"
    fresh = await client.refresh(tokens.refresh_token)
    claims = jwt.decode(fresh.access_token, options={"verify_signature": False})
    assert (claims["roles"], claims["accounts"]) == (["trader", "dealer"], ["c"])


async def test_a_disabled_user_is_out_at_once(client: Client) -> None:
    """Sessions end, logins are answered as if the password were wrong; enabled again, the user may log in."""
    user = await client.register()
    tokens = await client.login()
    metadata = await as_admin(client)
    await update(client, metadata, user, disabled=True)
    assert (await refused(client.profile(tokens.access_token))).reason == "INVALID_TOKEN"
    assert (await refused(client.refresh(tokens.refresh_token))).reason == "INVALID_TOKEN"
    assert (await refused(client.try_login())).reason == "INVALID_CREDENTIALS"
    await update(client, metadata, user)
    assert (await refused(client.refresh(tokens.refresh_token))).reason == "INVALID_TOKEN"
    await client.login()


async def test_who_is_no_admin_sees_and_changes_nobody(client: Client) -> None:
    """A trader is refused; compliance reads, and changes nothing."""
    user = await client.register()
    reader = await client.register("carol")
    metadata = await as_admin(client)
    await update(client, metadata, reader, roles=[user_pb2.ROLE_COMPLIANCE])
    trader, compliance = [bearer((await client.login(name)).access_token) for name in ("ann", "carol")]
    asking = user_admin_pb2.GetUserRequest(user_id=user.user_id)
    listing = user_admin_pb2.ListUsersRequest()
    assert (await client.stub.GetUser(asking, metadata=compliance)).user.username == "ann"
    assert len((await client.stub.ListUsers(listing, metadata=compliance)).users) == 3
    make = user_admin_pb2.CreateUserRequest(username="eve", password=PASSWORD, roles=[TRADER])
    for call in (
        client.stub.GetUser(asking, metadata=trader),
        client.stub.ListUsers(listing, metadata=trader),
        client.stub.CreateUser(make, metadata=trader),
        client.stub.CreateUser(make, metadata=compliance),
        update(client, trader, user, roles=[user_pb2.ROLE_ADMIN]),
        update(client, compliance, user, roles=[user_pb2.ROLE_ADMIN]),
    ):
        error = await refused(call)
        assert (error.kind, error.reason) == (ErrorKind.PERMISSION, "PERMISSION_DENIED")


async def test_an_admin_cannot_shut_themselves_out(client: Client) -> None:
    """Another admin can."""
    metadata = await as_admin(client)
    listed = await client.stub.ListUsers(user_admin_pb2.ListUsersRequest(), metadata=metadata)
    [me] = listed.users
    for access in ({"roles": [TRADER]}, {"roles": [user_pb2.ROLE_ADMIN], "disabled": True}):
        assert (await refused(update(client, metadata, me, **access))).reason == "PERMISSION_DENIED"


async def test_live_and_simulation_do_not_see_each_other(world: World) -> None:
    """The same name lives in both; an admin of one lists, reads and changes nobody of the other."""
    both = (Environment.SIMULATION, Environment.LIVE)
    async with world.running(registration=both) as client:
        await client.register("ann")
        other = await client.register("ann", OTHER_PASSWORD, environment=LIVE)
        await client.login("ann")
        assert (await refused(client.try_login("ann", environment=LIVE))).reason == "INVALID_CREDENTIALS"
        live = await client.login("ann", OTHER_PASSWORD, environment=LIVE)
        assert jwt.decode(live.access_token, options={"verify_signature": False})["environment"] == "live"
        metadata = await as_admin(client)
        listed = await client.stub.ListUsers(user_admin_pb2.ListUsersRequest(), metadata=metadata)
        assert [each.username for each in listed.users] == ["admin", "ann"]
        assert other.user_id not in {each.user_id for each in listed.users}
        asking = user_admin_pb2.GetUserRequest(user_id=other.user_id)
        assert (await refused(client.stub.GetUser(asking, metadata=metadata))).reason == "UNKNOWN_USER"
        assert (await refused(update(client, metadata, other))).reason == "UNKNOWN_USER"


async def test_users_are_listed_page_by_page(client: Client) -> None:
    """By name, each once; a token that was made up is refused."""
    for number in range(5):
        await client.register(f"user{number}")
    metadata, names, token = await as_admin(client), [], ""
    while True:
        request = user_admin_pb2.ListUsersRequest(page_size=4, page_token=token)
        page = await client.stub.ListUsers(request, metadata=metadata)
        names += [each.username for each in page.users]
        token = page.next_page_token
        if not token:
            break
    assert names == ["admin", *(f"user{number}" for number in range(5))]
    bad = user_admin_pb2.ListUsersRequest(page_token="made-up")
    assert (await refused(client.stub.ListUsers(bad, metadata=metadata))).reason == "INVALID_PAGE_TOKEN"


async def test_the_first_users_are_made_once_and_told_once(world: World, tmp_path: Path) -> None:
    """With passwords made up, in a file for its owner alone; a second start makes nobody and tells nothing."""
    path = tmp_path / "first" / "users.json"
    settings = {
        "first_admin": "root",
        "first_admin_password": SecretStr(""),
        "first_trader": "demo",
        "first_users_file": path,
    }
    async with world.running(**settings) as client:
        assert path.stat().st_mode & 0o777 == 0o600
        told = {each["username"]: each for each in json.loads(path.read_text())}
        assert {name: each["role"] for name, each in told.items()} == {"root": "admin", "demo": "trader"}
        admin = await client.profile((await client.login("root", told["root"]["password"])).access_token)
        trader = await client.profile((await client.login("demo", told["demo"]["password"])).access_token)
        assert (list(admin.roles), list(trader.account_ids)) == ([user_pb2.ROLE_ADMIN], ["demo"])
        path.unlink()
    async with world.running(**settings) as client:
        assert list(path.parent.iterdir()) == []
        await client.login("root", told["root"]["password"])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"first_admin": "root"}, "FIRST_USERS_FILE"),
        ({"key_lead_seconds": 900, "key_period_seconds": 900}, "KEY_LEAD_SECONDS"),
        ({"registration": "moon"}, "simulation"),
        ({"trusted_proxies": "nowhere"}, "trusted_proxies"),
    ],
)
def test_settings_that_make_no_sense_stop_the_start(given: dict[str, Any], told: str) -> None:
    """They are told by name."""
    with pytest.raises(ValidationError, match=told):
        IdentitySettings(postgres_url=SecretStr("postgresql://x"), **given)
