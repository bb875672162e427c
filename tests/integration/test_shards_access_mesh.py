"""Who may do what, and who did it, where OrderService is two shards: the same as where it is one."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh
from ordermesh.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from ordermesh.identity.v1.user_admin_pb2 import UpdateUserRequest
from ordermesh.order.v1.order_entry_pb2 import CancelAllOrdersRequest
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from ordermesh.order.v1.trade_stream_pb2 import TradeAuthorize, TradeRequest
from ordermesh.type.v1 import stream_pb2
from services.kernel.errors import ErrorKind
from services.kernel.shards import shard_of
from tests.fakes.trade_client import TradeClient, placing
from tests.fixtures import audited
from tests.fixtures.direct import direct_channels
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.trader import BUY, Trader, new_instrument, trader
from tests.fixtures.users import COMPLIANCE, TRADER, User, made, operator
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHARDS: Final = ("order", "order-1")
SECONDS: Final = 10
"""How long an access token lives here: the least that there may be. Its end is announced two seconds before."""
SETTINGS: Final = {**audited.AT_ONCE, "ORDERMESH_IDENTITY_ACCESS_TOKEN_SECONDS": str(SECONDS)}
Record = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sharded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """A mesh of these tests' own, whose tokens are soon over."""
    async with running_mesh(
        tmp_path_factory.mktemp("shards-access"), WITHOUT_AGENTS, SETTINGS, shards=len(SHARDS)
    ) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def traders(sharded: Mesh) -> AsyncIterator[Sequence[Trader]]:
    """A trader of each shard."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(trader(sharded, account_id=account_of(shard))) for shard in (0, 1)]


@pytest_asyncio.fixture(loop_scope="module")
async def compliance(sharded: Mesh) -> User:
    """Reads everything, changes nothing."""
    return await made(sharded, COMPLIANCE)


def account_of(shard: int) -> str:
    """Returns a new account that a shard owns."""
    while shard_of(account_id := f"t-{uuid.uuid4().hex[:12]}", len(SHARDS)) != shard:
        pass
    return account_id


async def asked(reader: User, path: str, **query: str) -> Record:
    """Returns what is told at a path."""
    async with reader.over_rest() as rest:
        answer = await rest.get(path, params=query)
    assert answer.status_code == 200, answer.text
    told: Record = answer.json()
    return told


async def records(reader: User, good: Callable[[Sequence[Record]], bool], **filters: str) -> Sequence[Record]:
    """Returns records of the audit once they are as they should be, the first chained first."""

    async def read() -> Sequence[Record]:
        told = await asked(reader, "/api/v1/audit/records", page_size="1000", **filters)
        return [entry["record"] for entry in reversed(told["entries"])]

    return await eventually(read, good)


async def status(someone: Trader, order_id: str, wanted: str) -> None:
    """Waits until an order is in a state."""

    async def told() -> str:
        return str((await asked(someone.user, f"/api/v1/orders/{order_id}"))["order"]["order_status"])

    await eventually(told, lambda found: found == f"ORDER_STATUS_{wanted}")


def told_up_to(found: Sequence[Record], shard: int, sequence: int) -> bool:
    """Tells whether the log of a shard is in the audit up to a sequence."""
    told = [each["new_value"] for each in found if each["entity_id"] == f"shard-{shard}"]
    return bool(told) and told[-1]["last_sequence"] >= sequence


async def test_the_logs_of_both_shards_are_in_one_audit(
    sharded: Mesh, traders: Sequence[Trader], compliance: User
) -> None:
    """Digests of both are chained, each of its own log without a gap, and both logs are verified against them."""
    instrument = await new_instrument(traders[0])
    last: list[int] = []
    for someone in traders:
        order_id = (await someone.place(BUY, instrument, "1", "5")).order_id
        await status(someone, order_id, "NEW")
        history = (await asked(compliance, f"/api/v1/orders/{order_id}/history"))["reports"]
        assert history[0]["actor"]["user_id"]
        last.append(int(history[-1]["sequence"]))
    found = await records(
        compliance,
        lambda found: all(told_up_to(found, shard, sequence) for shard, sequence in enumerate(last)),
        entity_type="order_log",
    )
    for shard in range(len(SHARDS)):
        parts = [each["new_value"] for each in found if each["entity_id"] == f"shard-{shard}"]
        assert {part["shard"] for part in parts} == {shard}
        ends = [0, *(part["last_sequence"] for part in parts)]
        assert [part["after_sequence"] for part in parts] == ends[:-1]
        assert all(part["count"] == part["last_sequence"] - part["after_sequence"] for part in parts)
    good = await asked(compliance, "/api/v1/audit/verification", order_log="true")
    assert good.get("fault") is None
    assert good["verified_sequence"] == good["last_sequence"]


async def test_the_audit_goes_on_while_one_shard_is_away(
    sharded: Mesh, traders: Sequence[Trader], compliance: User
) -> None:
    """The shards have one audit log, which any of them tells: also while the first of them is suspended."""
    instrument = await new_instrument(traders[0])
    away, there = traders
    sharded.suspend(SHARDS[0])
    try:
        async with sharded.channel(SHARDS[1]) as channel:
            stub = OrderServiceStub(there.user.authorized(channel))
            placed = (await stub.PlaceOrder(there.request(BUY, instrument, "1", "5"), timeout=20)).order
        sequence = int(placed.sequence)
        await records(compliance, lambda found: told_up_to(found, 1, sequence), entity_type="order_log")
        good = await asked(compliance, "/api/v1/audit/verification", order_log="true")
        assert good.get("fault") is None
    finally:
        sharded.resume(SHARDS[0])
    order_id = (await away.place(BUY, instrument, "1", "5")).order_id
    await status(away, order_id, "NEW")


async def test_a_stop_of_the_firm_is_audited_once(sharded: Mesh, traders: Sequence[Trader], compliance: User) -> None:
    """By RiskService, which sets it for all shards; what each withdraws stands in its log, of nobody's asking."""
    instrument = await new_instrument(traders[0])
    resting = [(await someone.place(BUY, instrument, "1", "5")).order_id for someone in traders]
    for someone, order_id in zip(traders, resting, strict=True):
        await status(someone, order_id, "NEW")
    text = f"by a test, {uuid.uuid4().hex}"
    manager = await operator(sharded)
    async with manager.over_rest() as rest:
        stop = {"firm": True, "state": "TRADING_STATE_HALTED", "text": text}
        assert (await rest.post("/api/v1/risk/emergency-stop", json=stop)).status_code == 200
        try:
            for someone, order_id in zip(traders, resting, strict=True):
                await status(someone, order_id, "CANCELED")
        finally:
            assert (await rest.post("/api/v1/risk/resume", json={"firm": True, "text": text})).status_code == 200
    found = await records(
        compliance,
        lambda found: any(each["new_value"]["state"] == "ACTIVE" for each in found[-1:]),
        entity_type="kill_switch",
    )
    told = [(each["new_value"]["state"], each["source"]) for each in found if each["new_value"]["text"] == text]
    assert told == [("HALTED", "risk"), ("ACTIVE", "risk")]
    for order_id in resting:
        history = (await asked(compliance, f"/api/v1/orders/{order_id}/history"))["reports"]
        asked_for = next(each for each in history if each["execution_type"].endswith("PENDING_CANCEL"))
        assert (asked_for.get("actor"), text in asked_for["text"]) == (None, True)


async def test_a_mass_cancel_says_who_asked_at_each_order(
    sharded: Mesh, traders: Sequence[Trader], compliance: User
) -> None:
    """It is of one account, and thus of one shard, wherever it comes in: each order's log says who, by one request."""
    instrument = await new_instrument(traders[0])
    for someone, other in zip(traders, reversed(SHARDS), strict=True):
        resting = [(await someone.place(BUY, instrument, "1", "5")).order_id for _ in range(3)]
        for order_id in resting:
            await status(someone, order_id, "NEW")
        async with sharded.channel(other) as channel:
            stub = OrderServiceStub(someone.user.authorized(channel))
            request = CancelAllOrdersRequest(account_id=someone.account_id, instrument=instrument)
            assert set((await stub.CancelAllOrders(request)).order_ids) == set(resting)
        by = []
        for order_id in resting:
            await status(someone, order_id, "CANCELED")
            history = (await asked(compliance, f"/api/v1/orders/{order_id}/history"))["reports"]
            by += [each["actor"] for each in history if each["execution_type"].endswith("PENDING_CANCEL")]
        assert len({(each["user_id"], each["request_id"]) for each in by}) == 1, by
        assert len(by) == len(resting)
        assert by[0]["roles"] == ["ROLE_TRADER"]


@dataclass
class Opened:
    """A Trade stream on one of the shards, of an account that lives on one of them."""

    someone: Trader
    stream: TradeClient

    async def authorize(self, token: str) -> None:
        """Shows another token."""
        await self.stream.write(TradeRequest(authorize=TradeAuthorize(access_token=token)))

    async def until(self, kind: str, count: int = 1) -> None:
        """Waits for so many messages of a kind."""
        await self.stream.until(lambda: self.stream.items().count(kind) >= count)


@asynccontextmanager
async def trading(sharded: Mesh, traders: Sequence[Trader]) -> AsyncIterator[Sequence[Opened]]:
    """Opens a Trade stream on each shard for an account of each, all with tokens that have just been given."""
    channels = direct_channels(sharded)
    try:
        async with AsyncExitStack() as stack:
            for someone in traders:
                await someone.user.login(instead_of=someone.user.token)
            yield [
                Opened(
                    someone,
                    await stack.enter_async_context(
                        TradeClient.open(
                            OrderServiceStub(someone.user.authorized(channels.to(sharded.address(name)))),
                            someone.account_id,
                        )
                    ),
                )
                for name in SHARDS
                for someone in traders
            ]
    finally:
        await channels.close()


async def test_a_trade_stream_outlives_its_token_on_whichever_shard(sharded: Mesh, traders: Sequence[Trader]) -> None:
    """Its end is announced; told another token it trades on past the end of the first."""
    instrument = await new_instrument(traders[0])
    async with trading(sharded, traders) as opened:
        await asyncio.gather(*(each.until("token_expiring") for each in opened))
        for someone in traders:
            await someone.user.login(instead_of=someone.user.token)
        for each in opened:
            await each.authorize(each.someone.user.token)
        await asyncio.gather(*(each.until("authorized") for each in opened))
        # The next announcement comes after the end of the first token.
        await asyncio.gather(*(each.until("token_expiring", 2) for each in opened))
        for each in opened:
            placed = await each.stream.place(each.someone.request(BUY, instrument, "1", "5"))
            assert placed.account_id == each.someone.account_id
        await asyncio.gather(*(each.stream.end() for each in opened))
        for each in opened:
            last = each.stream.responses[-1]
            assert last.going_away.reason == stream_pb2.GOING_AWAY_REASON_TOKEN_EXPIRED
            assert last.going_away.resume_token
            assert each.stream.error is None


async def without_accounts(sharded: Mesh, user: User) -> User:
    """Takes a user's accounts away, and returns the user, logged in anew."""
    part = user.token.split(".")[1]
    user_id = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["sub"]
    async with (await operator(sharded)).calling() as channel:
        await IdentityServiceStub(channel).UpdateUser(UpdateUserRequest(user_id=user_id, roles=[TRADER]))
    return await User(sharded, user.username, user.environment).login()


@pytest.mark.parametrize("which", ["another user's", "of no account", "no token"])
async def test_a_trade_stream_takes_no_other_token_on_whichever_shard(
    sharded: Mesh, traders: Sequence[Trader], which: str
) -> None:
    """What came before is answered, then the stream ends and says why, also where it was handed through."""
    instrument = await new_instrument(traders[0])
    kind = ErrorKind.UNAUTHENTICATED if which == "no token" else ErrorKind.PERMISSION
    async with trading(sharded, traders) as opened:
        for each in opened:
            if which == "no token":
                token = each.someone.user.token[:-6] + "AAAAAA"
            elif which == "of no account":
                token = (await without_accounts(sharded, each.someone.user)).token
            else:
                token = (await made(sharded, TRADER, accounts=(each.someone.account_id,))).token
            sequence = await each.stream.send(placing(each.someone.request(BUY, instrument, "1", "5")))
            await each.authorize(token)
            await each.stream.end()
            assert each.stream.error is not None
            assert each.stream.error.kind is kind, each.stream.error
            assert each.stream.results[sequence][0].order.account_id == each.someone.account_id
