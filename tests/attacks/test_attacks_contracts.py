"""Requests made from the contracts, over each way in, with rights and without: no fault, no change, no leak."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from protovalidate import Validator

from services.kernel.errors import CodedError
from services.mesh.interceptors.constraints import has_constraints, refusal
from tests.attacks.exploring import each_of
from tests.attacks.requests import Likely, requests, spoilt
from tests.attacks.rpcs import Rpc, public_rpcs
from tests.attacks.state import changed, settled
from tests.attacks.ways import Answer
from tests.attacks.world import User, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

WAYS: Final = ("grpc", "grpc-web", "rest")
INVALID, DENIED, UNPROVED = 3, 7, 16
REFUSED_FIRST: Final = {INVALID, 12}
"""What the gateway, or the reader of a request, may say before anybody asks who calls."""
RPCS: Final = tuple(public_rpcs())
ONE_REQUEST: Final = tuple(rpc for rpc in RPCS if not rpc.method.client_streaming)
CONSTRAINED: Final = tuple(rpc for rpc in ONE_REQUEST if has_constraints(rpc.method.input_type))
_collect = Validator().collect_violations


@dataclass(frozen=True)
class Attack:
    """A request to send: over gRPC as bytes, which are now and then spoilt, over REST as the message."""

    rpc: Rpc
    message: Message
    raw: bytes
    token: str
    turn: int

    @property
    def sent(self) -> bytes:
        """All that may stand in it."""
        return self.raw + self.message.SerializeToString()


@st.composite
def attacks(draw: DrawFn, rpcs: tuple[Rpc, ...], likely: Likely, tokens: tuple[str, ...], *wild: int) -> Attack:
    """Returns requests to some of the RPCs, with one of the tokens."""
    rpc, token = draw(st.sampled_from(rpcs)), draw(st.sampled_from(tokens))
    message = draw(requests(rpc.request, likely, *wild))
    raw = message.SerializeToString()
    if draw(st.integers(0, 9)) == 0:
        raw = draw(spoilt(raw))
    return Attack(rpc, message, raw, token, draw(st.integers(0, 2)))


async def sent(world: World, way: str, attack: Attack) -> Answer | None:
    """Sends a request; None when the way cannot carry it."""
    if way == "rest":
        return await world.way.by_rest(attack.rpc, attack.message, attack.token, attack.turn)
    send = world.way.by_grpc if way == "grpc" else world.way.by_grpc_web
    return await send(attack.rpc, attack.raw, attack.token)


def rpcs_of(way: str) -> tuple[Rpc, ...]:
    """Returns what can be called over a way. A stream in both directions is for gRPC."""
    return RPCS if way == "grpc" else ONE_REQUEST


async def test_who_may_not_changes_nothing_and_reads_nothing(world: World) -> None:
    """With a token that is for nothing, or for reading: refused, or told what is the caller's own."""
    before = await settled(world.mesh)
    shown = {token: what for what, token in world.powerless.items()}

    async def tried(attack: Attack, way: str) -> bool:
        rpc, answer = attack.rpc, await sent(world, way, attack)
        if answer is None:
            return False
        assert not answer.fault, (rpc.path, attack, answer)
        assert not world.victim.leaked(answer.raw, attack.sent), (rpc.path, attack, answer)
        if rpc.roles is None:
            return True
        if shown[attack.token] not in {"for reading", "of real money"}:
            assert answer.code in {UNPROVED, *REFUSED_FIRST}, (rpc.path, attack, answer)
        elif rpc.scope not in {"", "read"}:
            assert answer.code in {DENIED, *REFUSED_FIRST}, (rpc.path, attack, answer)
        return True

    for way in WAYS:
        inputs = attacks(rpcs_of(way), world.likely, tuple(shown))
        await each_of(inputs, partial(tried, way=way), kind=f"contracts, {way}: without rights")
    assert changed(before, await settled(world.mesh)) == {}


async def test_strangers_reach_nothing_of_others(world: World) -> None:
    """A trader and a dealer who know another's ids: no row of the other's changes, and nothing of them is told."""
    victim, strangers = world.victim, (world.stranger, world.dealer)
    theirs = (victim.account, victim.name, *(each for ids in victim.ids.values() for each in ids if len(each) > 20))
    before = await settled(world.mesh, *theirs)
    assert sum("count=0" not in told for told in before.values()) >= 8, before

    async def tried(asked: tuple[Attack, int], way: str) -> bool:
        attack, user = asked[0], strangers[asked[1]]
        rpc, answer = attack.rpc, await by(world, user, way, attack)
        if answer is None:
            return False
        assert not answer.fault, (rpc.path, attack, answer)
        assert not victim.leaked(answer.raw, attack.sent), (rpc.path, attack, answer)
        return True

    for way in WAYS:
        inputs = st.tuples(attacks(rpcs_of(way), world.likely, ("",)), st.integers(0, 1))
        await each_of(inputs, partial(tried, way=way), kind=f"contracts, {way}: strangers")
    assert changed(before, await settled(world.mesh, *theirs)) == {}


async def test_a_role_meets_no_fault(world: World) -> None:
    """Each role, and who has all: what the contract allows is done or refused with a reason, by the table."""
    users = (*world.by_role.values(), world.everything)

    async def tried(asked: tuple[Attack, User], way: str) -> bool:
        attack, user = asked
        rpc, answer = attack.rpc, await by(world, user, way, attack)
        if answer is None:
            return False
        assert not answer.fault, (user.roles, rpc.path, attack, answer)
        if rpc.roles is not None and not rpc.roles & {*user.roles}:
            assert answer.code in {DENIED, *REFUSED_FIRST}, (user.roles, rpc.path, attack, answer)
        return True

    try:
        for way in WAYS:
            inputs = [st.tuples(attacks(rpcs_of(way), world.own(user), ("",)), st.just(user)) for user in users]
            await each_of(st.one_of(inputs), partial(tried, way=way), kind=f"contracts, {way}: each role")
    finally:
        await world.quiet()


async def test_what_breaks_the_contract_changes_nothing(world: World) -> None:
    """From who may do everything: refused, with exactly the fields named that break it, and state as it was."""
    user = await world.login(world.everything)
    before = await settled(world.mesh)

    async def tried(attack: Attack, way: str) -> bool:
        fields = broken(attack.rpc, attack.message.SerializeToString() if way == "rest" else attack.raw)
        plain = replace(attack, token=user.token, turn=0)
        answer = await sent(world, way, plain) if fields else None
        if answer is None:
            return False
        told = (answer.code, answer.reason, list(answer.fields))
        if way != "rest":
            assert told == (INVALID, "INVALID_FIELD", fields), (attack.rpc.path, attack, answer)
        else:
            # The gateway may refuse it first, and names the first of them.
            assert answer.code == INVALID, (attack.rpc.path, attack, answer)
            # Envoy refuses a path with a NUL or an escaped slash before it knows what the path means.
            assert answer.fields or {"\0", "/"} & set(_in_path(attack)), (attack.rpc.path, attack, answer)
        return True

    for way in WAYS:
        inputs = attacks(CONSTRAINED, world.own(user), ("",), 3)
        await each_of(inputs, partial(tried, way=way), kind=f"contracts, {way}: requests that break them")
    assert changed(before, await settled(world.mesh)) == {}


async def by(world: World, user: User, way: str, attack: Attack) -> Answer | None:
    """Sends a request of a user's, who logs in again when an attack has ended the session."""
    token = user.token
    answer = await sent(world, way, replace(attack, token=token))
    if answer is not None and (answer.code, answer.reason) == (UNPROVED, "INVALID_TOKEN") and user.token == token:
        await world.login(user)
    return answer


def broken(rpc: Rpc, raw: bytes) -> list[str]:
    """Returns the fields of a request that break the contract; one empty name when the bytes are no message."""
    try:
        message = rpc.request.FromString(raw)
    except DecodeError:
        return [""]
    if not (violations := _collect(message)):
        return []
    error = refusal(violations)
    assert isinstance(error, CodedError)
    return sorted(violation.field for violation in error.violations)


def _in_path(attack: Attack) -> str:
    """Returns what stands in the path of a request over REST."""
    binding = attack.rpc.bindings[0]
    return "".join(str(getattr(attack.message, name, "")) for name in binding.fields)
