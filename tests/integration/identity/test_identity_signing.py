"""The keys that sign tokens, over time and restarts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from ordermesh.identity.v1 import signing_key_pb2
from services.mesh.vault import SealBrokenError
from tests.fixtures.identity import Client, World
from tests.fixtures.waiting import eventually


async def jwks(client: Client) -> list[signing_key_pb2.JsonWebKey]:
    answer = await client.stub.GetJsonWebKeySet(signing_key_pb2.GetJsonWebKeySetRequest())
    return list(answer.keys)


def verified(token: str, keys: list[signing_key_pb2.JsonWebKey]) -> bool:
    """Tells whether a token is verified by what was told, as anybody would verify it."""
    kid = jwt.get_unverified_header(token)["kid"]
    names = signing_key_pb2.JsonWebKey.DESCRIPTOR.fields_by_name
    found = [{name: getattr(key, name) for name in names} for key in keys if key.kid == kid]
    if not found:
        return False
    jwt.decode(
        token,
        jwt.PyJWK(found[0]),
        ["ES256"],
        audience="ordermesh",
        issuer="ordermesh",
        options={"verify_exp": False, "verify_iat": False},
    )
    return True


async def test_keys_are_rotated_without_an_outage(world: World) -> None:
    """The next key is told an hour before it signs, the last one kept until its tokens have ended, over a restart."""
    async with world.running(keys_interval_seconds=0.02) as client:
        await client.register()
        tokens = await client.login()
        first = await jwks(client)
        assert len(first) == 1
        assert verified(tokens.access_token, first)
        world.clock.advance(timedelta(days=7) - timedelta(hours=1))
        both = await until_keys(client, 2)
        assert both[1] == first[0]
        tokens = await client.refresh(tokens.refresh_token)
        assert jwt.get_unverified_header(tokens.access_token)["kid"] == first[0].kid
    async with world.running(keys_interval_seconds=0.02) as client:
        assert await jwks(client) == both
        world.clock.advance(timedelta(minutes=59, seconds=59))
        old = await client.refresh(tokens.refresh_token)
        world.clock.advance(timedelta(seconds=1))
        new = await client.refresh(old.refresh_token)
        assert jwt.get_unverified_header(old.access_token)["kid"] == first[0].kid
        assert jwt.get_unverified_header(new.access_token)["kid"] == both[0].kid
        for each in (old, new):
            assert verified(each.access_token, await jwks(client))
            await client.profile(each.access_token)
        world.clock.advance(timedelta(minutes=10))
        assert await until_keys(client, 1) == both[:1]


async def until_keys(client: Client, count: int) -> list[signing_key_pb2.JsonWebKey]:
    """Waits until so many keys are told."""
    return await eventually(lambda: jwks(client), lambda keys: len(keys) == count, 10)


async def test_another_key_of_the_vault_stops_the_start(world: World, tmp_path: Path) -> None:
    """What was sealed with one key is not opened, and not replaced, by a service with another."""
    async with world.running() as client:
        before = await jwks(client)
    with pytest.raises(SealBrokenError):
        async with world.running(secrets_key_file=tmp_path / "other.key"):
            pass
    async with world.running() as client:
        assert await jwks(client) == before
