"""Every RPC of every service, directly and through the gateway, with tokens that must open nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import grpc
import httpx
import pytest
import pytest_asyncio

from deploy.embedded.certificates import NAMES, OPERATOR, SUPERVISOR
from tests.attacks.exploring import THOROUGH
from tests.attacks.rpcs import Rpc, public_rpcs, rpcs
from tests.attacks.signing import signed_as
from tests.attacks.ways import Answer, Way, way_to
from tests.attacks.world import User, World
from tests.fixtures.bad_tokens import Tokens, bad_tokens
from tests.fixtures.ways import bearer

pytestmark = pytest.mark.asyncio(loop_scope="session")

INVALID, DENIED, UNIMPLEMENTED, UNPROVED = 3, 7, 12, 16
UNREADABLE: Final = b"\xff"
"""Bytes that are no message: who may call is told so, who may not is refused before; nothing is done for either."""
GUARDED: Final = [rpc for rpc in public_rpcs() if rpc.roles is not None]
SOME: Final = 8
"""How many RPCs each token is tried at, where not all are."""
STREAMS: Final = ("stream/orders", "stream/positions", "stream/portfolio", "stream/alerts", "stream/quotes")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def doors(world: World) -> AsyncIterator[Mapping[str, Way]]:
    """The ways to each service, around the gateway, with the certificate of a client."""
    async with AsyncExitStack() as stack:
        areas = {area for rpc in GUARDED for area in rpc.areas}
        yield {area: await stack.enter_async_context(way_to(world.mesh, area)) for area in sorted(areas)}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tokens(world: World) -> Tokens:
    """What signs by the key of IdentityService, with the claims of the victim."""
    return await signed_as(world.mesh, world.victim.token)


def told(answer: Answer) -> tuple[int, str]:
    """Returns code and reason."""
    return answer.code, answer.reason


async def test_a_bad_token_opens_no_rpc(world: World, doors: Mapping[str, Way], tokens: Tokens) -> None:
    """Whatever is wrong with it, and whether or not the gateway stands before: INVALID_TOKEN."""
    assert told(await world.way.by_grpc(_rpc("GetOrder"), UNREADABLE, tokens.token())) == (INVALID, "INVALID_FIELD")

    async def tried(name: str, token: str, rpc: Rpc) -> None:
        for way in (world.way, doors[rpc.areas[0]]):
            answer = await way.by_grpc(rpc, UNREADABLE, token)
            assert told(answer) == (UNPROVED, "INVALID_TOKEN"), (name, rpc.path, answer)

    step = 1 if THOROUGH else len(GUARDED) // SOME
    for turn, (name, token) in enumerate({**bad_tokens(tokens), "none": ""}.items()):
        await asyncio.gather(*(tried(name, token, rpc) for rpc in GUARDED[turn % step :: step]))


async def test_a_bad_token_opens_no_way_of_the_gateway(world: World, tokens: Tokens) -> None:
    """The same over grpc-web, REST and event streams."""
    for name, token in {**bad_tokens(tokens), "none": ""}.items():
        for rpc in (_rpc("GetProfile"), _rpc("ListOrders"), _rpc("GetTradingState"), _rpc("ListConnections")):
            answer = await world.way.by_grpc_web(rpc, UNREADABLE, token)
            assert told(answer) == (UNPROVED, "INVALID_TOKEN"), (name, rpc.path, answer)
            by_rest = await world.way.by_rest(rpc, rpc.request(), token)
            assert by_rest is not None
            assert told(by_rest) == (UNPROVED, "INVALID_TOKEN"), (name, rpc.path, by_rest)
        for path in STREAMS:
            headers = bearer(token)
            query = {} if path == "stream/quotes" else {"account_id": world.victim.account}
            opened = await world.way.http.get(f"/api/v1/{path}", params=query, headers=headers)
            assert opened.status_code == httpx.codes.UNAUTHORIZED, (name, path, opened.text)


async def test_what_is_no_bearer_token_is_none(world: World, doors: Mapping[str, Way]) -> None:
    """A good token shown in another way, or beside another: INVALID_TOKEN, and never who somebody else is."""
    token, rpc = world.victim.token, _rpc("ListOrders")
    for shown in (token, f"Basic {token}", f"Bearer {token} {token}", f"Bearer {token},{token}", "Bearer", "Bearer  "):
        for way in (world.way, doors[rpc.areas[0]]):
            answer = await way.by_grpc(rpc, UNREADABLE, authorization=shown)
            assert told(answer) == (UNPROVED, "INVALID_TOKEN"), (shown[:12], answer)
    twice = [("authorization", f"Bearer {world.stranger.token}"), ("authorization", f"Bearer {token}")]
    both = await world.way.http.get("/api/v1/auth/profile", headers=httpx.Headers(twice))
    assert both.status_code == httpx.codes.UNAUTHORIZED, both.text
    for query in ({"access_token": token}, {"authorization": f"Bearer {token}"}):
        answer_to = await world.way.http.get("/api/v1/auth/profile", params=query)
        assert answer_to.status_code in {400, 401}, answer_to.text


async def test_a_huge_token_is_refused_and_harms_nobody(world: World, doors: Mapping[str, Way]) -> None:
    """Larger than headers may be: refused by whoever reads it first, and the next call is served."""
    for way in (world.way, doors["order"]):
        for size in (7_000, 20_000, 200_000):
            answer = await way.by_grpc(_rpc("ListOrders"), UNREADABLE, "A" * size)
            assert answer.code in {UNPROVED, 8, 13, 14}, (size, answer)
        good = await way.by_grpc(_rpc("ListOrders"), UNREADABLE, world.victim.token)
        assert told(good) == (INVALID, "INVALID_FIELD"), good
    for size in (7_000, 20_000, 50_000, 200_000):
        headers = {"authorization": "Bearer " + "A" * size}
        answer_to = await world.way.http.get("/api/v1/auth/profile", headers=headers)
        assert 400 <= answer_to.status_code < 500, (size, answer_to.text)


async def test_a_service_calls_what_its_name_stands_at(world: World) -> None:
    """Around the gateway, with a certificate: exactly the RPCs whose contracts list its name, whoever it is."""

    async def tried(name: str, area: str) -> None:
        async with way_to(world.mesh, area, name) as door:
            for rpc in (rpc for rpc in rpcs() if area in rpc.areas and rpc.roles is not None):
                answer = await door.by_grpc(rpc, UNREADABLE)
                if name in rpc.peers:
                    assert answer.code not in {DENIED, UNPROVED}, (name, rpc.path, answer)
                else:
                    assert answer.code == (DENIED if rpc.internal else UNPROVED), (name, rpc.path, answer)

    areas = sorted({area for rpc in rpcs() for area in rpc.areas})
    for name in (*NAMES, SUPERVISOR, OPERATOR) if THOROUGH else ("gateway", "portfolio"):
        await asyncio.gather(*(tried(name, area) for area in areas))


async def test_no_user_reaches_an_internal_rpc(world: World, tokens: Tokens) -> None:
    """Through the gateway there is no such thing; around it, with the certificate of a client, no token opens it."""
    users = [user.token for user in (*world.by_role.values(), world.everything)]
    # Not even one that names the role of services, signed with the real key.
    shown = [*users, *world.powerless.values(), tokens.token(roles=["service", "admin"])]
    internal = [rpc for rpc in rpcs() if rpc.internal]
    assert len(internal) >= 20

    async def tried(rpc: Rpc, token: str, door: Way) -> None:
        direct = await door.by_grpc(rpc, UNREADABLE, token)
        assert direct.code == DENIED, (rpc.path, direct)
        through = await world.way.by_grpc(rpc, UNREADABLE, token)
        assert through.code == UNIMPLEMENTED, (rpc.path, through)
        web = await world.way.by_grpc_web(rpc, UNREADABLE, token)
        assert web.code == UNIMPLEMENTED, (rpc.path, web)

    for area in sorted({area for rpc in internal for area in rpc.areas}):
        async with way_to(world.mesh, area) as door:
            there = [rpc for rpc in internal if area in rpc.areas]
            await asyncio.gather(*(tried(rpc, token, door) for rpc in there for token in shown))
    for rpc in internal:
        asked = await world.way.http.post(rpc.path, json={}, headers={"authorization": f"Bearer {users[0]}"})
        assert asked.status_code == httpx.codes.NOT_FOUND, (rpc.path, asked.text)


async def test_without_a_certificate_nothing_is_said(world: World) -> None:
    """Who finds the port of a service is not listened to in plain text, whatever token they show."""
    for area in sorted({area for rpc in rpcs() for area in rpc.areas}):
        rpc = next(rpc for rpc in rpcs() if area in rpc.areas)
        async with grpc.aio.insecure_channel(world.mesh.address(area)) as channel:
            metadata = (("authorization", f"Bearer {world.everything.token}"),)
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await _bytes_of(channel, rpc)(b"", metadata=metadata, timeout=20)
            assert failure.value.code() is grpc.StatusCode.UNAVAILABLE, (rpc.path, failure.value)


async def test_a_token_of_a_session_that_was_ended(world: World, doors: Mapping[str, Way]) -> None:
    """IdentityService, where sessions are known, takes it no more; elsewhere it is good until it ends, in minutes."""
    user = await world.login(User(world.stranger.name, world.stranger.account))
    await world.good(user, "POST", "auth/logout", json={})
    for way in (world.way, doors["identity"]):
        assert told(await way.by_grpc(_rpc("GetProfile"), b"", user.token)) == (UNPROVED, "INVALID_TOKEN")
    assert told(await world.way.by_grpc(_rpc("ListOrders"), UNREADABLE, user.token)) == (INVALID, "INVALID_FIELD")
    refreshed = await _refresh(world, user.refresh_token)
    assert told(refreshed) == (UNPROVED, "INVALID_TOKEN"), refreshed


async def test_a_refresh_token_that_was_used(world: World) -> None:
    """Presented again, over whichever way: its session ends, for who has stolen it and for who has not."""
    for way in ("grpc", "grpc-web", "rest"):
        user = await world.login(User(world.stranger.name, world.stranger.account))
        answer = await _refresh(world, user.refresh_token)
        assert answer.code == 0, answer
        renewed = json.loads(answer.raw)["tokens"]
        replayed = await _refresh(world, user.refresh_token, way)
        assert told(replayed) == (UNPROVED, "REFRESH_TOKEN_REUSED"), (way, replayed)
        for token in (user.token, renewed["access_token"]):
            assert told(await world.way.by_grpc(_rpc("GetProfile"), b"", token)) == (UNPROVED, "INVALID_TOKEN"), way
        again = await _refresh(world, renewed["refresh_token"], way)
        assert told(again) == (UNPROVED, "INVALID_TOKEN"), (way, again)
    for wrong in ("omr_", "omr_" + "A" * 43, "omc_" + "A" * 43, world.victim.token, "\0", "'"):
        assert (await _refresh(world, wrong)).code in {INVALID, UNPROVED}, wrong


async def _refresh(world: World, token: str, way: str = "rest") -> Answer:
    rpc = _rpc("RefreshTokens")
    request = rpc.request(refresh_token=token)
    if way == "rest":
        answer = await world.way.by_rest(rpc, request)
        assert answer is not None
        return answer
    send = world.way.by_grpc if way == "grpc" else world.way.by_grpc_web
    return await send(rpc, request.SerializeToString())


def _bytes_of(channel: Any, rpc: Rpc) -> Any:
    return channel.unary_unary(rpc.path)


def _rpc(name: str) -> Rpc:
    return next(rpc for rpc in public_rpcs() if rpc.method.name == name)
