"""Every RPC with a token of each role, and of each scope, compared with the table in the documents."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest
from google.protobuf.message import Message

from tests.attacks.exploring import THOROUGH, each_of
from tests.attacks.requests import requests
from tests.attacks.rpcs import Rpc, public_rpcs
from tests.attacks.ways import Answer
from tests.attacks.world import ROLES, World, key_token, made

pytestmark = pytest.mark.asyncio(loop_scope="session")

INVALID, NOT_FOUND, DENIED, UNPROVED = 3, 5, 7, 16
UNREADABLE: Final = b"\xff"
RPCS: Final = public_rpcs()
OF_SOMEBODY: Final = frozenset({"account_id", "order_id", "portfolio_id", "trade_id", "api_key_id", "session_id"})
"""Fields that name something that is somebody's."""
TRIES: Final = 20 if THOROUGH else 1


def refused(answer: Answer) -> bool:
    """Tells whether somebody was not let in, rather than told that bytes are no message."""
    assert answer.code in {INVALID, DENIED, UNPROVED}, answer
    return answer.code != INVALID


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_call_what_the_table_says(world: World, role: str) -> None:
    """And nothing else, over gRPC and grpc-web."""
    user = await world.login(world.by_role[role])

    async def tried(rpc: Rpc) -> None:
        for send in (world.way.by_grpc, world.way.by_grpc_web):
            if rpc.method.client_streaming and send == world.way.by_grpc_web:
                continue
            answer = await send(rpc, UNREADABLE, user.token)
            assert refused(answer) == (rpc.roles is not None and role not in rpc.roles), (rpc.path, answer)
            assert answer.code != UNPROVED, (rpc.path, answer)

    await asyncio.gather(*map(tried, RPCS))


@pytest.mark.parametrize("scope", ["", "read", "trade", "manage"])
async def test_a_token_is_for_its_scope(world: World, scope: str) -> None:
    """A key of one scope, of a user with all roles, may call what is for the scope; without a token, what is public."""
    # Attacks may have made as many keys of the others as there may be.
    token = await key_token(world, await made(world, *ROLES), f"SCOPE_{scope.upper()}") if scope else ""

    async def tried(rpc: Rpc) -> None:
        answer = await world.way.by_grpc(rpc, UNREADABLE, token)
        allowed = rpc.roles is None or (scope and rpc.scope in {"", scope})
        assert refused(answer) == (not allowed), (rpc.path, answer)

    await asyncio.gather(*map(tried, RPCS))


async def test_a_trader_reaches_nothing_of_anothers(world: World) -> None:
    """Every RPC that a trader may call and that names something of somebody, with what is the victim's: not there."""
    stranger, victim = await world.login(world.stranger), world.victim
    likely = {**victim.ids, "account_id": [victim.account], "connection_id": ["simulation"]}
    tried = 0
    for rpc in RPCS:
        if rpc.roles is None or "trader" not in rpc.roles or not OF_SOMEBODY & _names(rpc):
            continue

        async def attack(message: Message, rpc: Rpc = rpc) -> None:
            raw = message.SerializeToString()
            answer = await world.way.by_grpc(rpc, raw, stranger.token)
            assert answer.code in {INVALID, NOT_FOUND, DENIED}, (rpc.path, message, answer)
            assert not victim.leaked(answer.raw, raw), (rpc.path, message, answer)

        await each_of(requests(rpc.request, likely, 0), attack, TRIES)
        tried += 1
    assert tried >= 30, tried


def _names(rpc: Rpc) -> set[str]:
    """Returns the fields at the top of a request."""
    return {field.name for field in rpc.method.input_type.fields}
