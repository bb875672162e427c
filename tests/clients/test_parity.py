"""The same call, good or bad, has the same answer over gRPC, grpc-web in bytes and in text, and REST."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import grpc
import httpx
import pytest
import pytest_asyncio
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from hypothesis.strategies import SearchStrategy
from protovalidate import Validator

from deploy.embedded.mesh import Mesh
from ordermesh.type.v1 import access_pb2
from tests.attacks.exploring import each_of
from tests.attacks.requests import NOBODY, requests
from tests.clients.caller import order
from tests.clients.good_calls import GOOD, NEW_PASSWORD, VOLATILE
from tests.clients.makers import Makers, new_user
from tests.clients.ways import WAYS, Answer, Caller, alike
from tests.fixtures import http_clients
from tests.fixtures.access_mesh import SIMULATION
from tests.fixtures.contracts import public_methods

pytestmark = pytest.mark.asyncio(loop_scope="session")

METHODS: Final = {each.name: each for each in public_methods() if not (each.client_streaming or each.server_streaming)}
"""The public RPCs that answer once."""
TRIES: Final = 4
"""Requests of each kind that are made for each RPC."""
MAY: Final = {
    **dict.fromkeys(("PUBLIC",), "nobody"),
    **dict.fromkeys(("OWN", "READ", "TRADE", "CANCEL", "ARRANGE", "STOP", "RESET"), "trader"),
    **dict.fromkeys(("OVERSEE", "READ_USERS", "ADMINISTER"), "admin"),
    **dict.fromkeys(("CONTROL", "CORRECT"), "risk"),
}
"""Somebody who has an access."""
MAY_NOT: Final = {
    **dict.fromkeys(("TRADE", "CANCEL", "ARRANGE", "STOP", "CONTROL", "CORRECT", "ADMINISTER", "RESET"), "compliance"),
    **dict.fromkeys(("OVERSEE", "READ_USERS"), "trader"),
}
"""Somebody who has it not; accesses that all have are left out."""
LIKELY: Final = {"account_id": ["demo"], "instrument": ["AAPL.XNAS"], "connection_id": ["simulation"]}
"""What lets a part of the requests through to the store."""
_violations = Validator().collect_violations


def access_of(method: MethodDescriptor) -> str:
    return access_pb2.Access.Name(method.GetOptions().Extensions[access_pb2.access]).removeprefix("ACCESS_")


def request_of(method: MethodDescriptor, **values: Any) -> Message:
    request: Message = message_factory.GetMessageClass(method.input_type)()
    return json_format.ParseDict(values, request)


def made_for(method: MethodDescriptor) -> SearchStrategy[Message]:
    """Returns requests, most of them with values at and over the edges."""
    return requests(message_factory.GetMessageClass(method.input_type), LIKELY, 1, 3)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def caller(guarded: Mesh) -> AsyncIterator[Caller]:
    """Calls in every way."""
    async with (
        grpc.aio.insecure_channel(guarded.address("gateway")) as channel,
        http_clients.async_client(base_url=guarded.gateway_url, timeout=20) as http,
    ):
        yield Caller(channel, http)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tokens(rest: httpx.AsyncClient, admin: str, trader: str) -> Mapping[str, str]:
    """What each of some users shows."""
    risk = await new_user(rest, admin, "ROLE_RISK_MANAGER")
    compliance = await new_user(rest, admin, "ROLE_COMPLIANCE")
    return {"nobody": "", "admin": admin, "trader": trader, "risk": risk, "compliance": compliance}


async def in_every_way(caller: Caller, method: MethodDescriptor, request: Message, token: str) -> list[Answer]:
    """Calls in every way in which the request has a form; each of them must be the same."""
    answers = await asyncio.gather(*(caller.call(way, method, request, token) for way in WAYS))
    return [answer for answer in answers if answer is not None]


def check_alike(answers: list[Answer], what: object) -> None:
    """Checks that answers are the same: what was told, or code, reason, fields and whether to try again."""
    told = {alike(answer, {}, VOLATILE.__contains__) for answer in answers}
    assert len(told) == 1, (what, told)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if access_of(method) != "PUBLIC"])
async def test_who_may_not_call_is_refused_alike(caller: Caller, tokens: Mapping[str, str], name: str) -> None:
    """Nobody, a token that is none, and a user of another role."""
    method = METHODS[name]
    access = access_of(method)
    strangers = [("", 16), ("not.a.token", 16)]
    if access in MAY_NOT:
        strangers.append((tokens[MAY_NOT[access]], 7))

    async def tried(request: Message) -> None:
        for token, code in strangers:
            answers = await in_every_way(caller, method, request, token)
            check_alike(answers, name)
            assert answers[0].code == code, answers[0]

    await each_of(made_for(method), tried, TRIES)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.input_type.fields])
async def test_a_request_that_breaks_the_contract_is_refused_alike(
    caller: Caller, tokens: Mapping[str, str], name: str
) -> None:
    """By who may call: the same fields are named, whichever way it came."""
    method = METHODS[name]

    async def tried(request: Message) -> bool:
        if not _violations(request):
            return False
        answers = await in_every_way(caller, method, request, tokens[MAY[access_of(method)]])
        check_alike(answers, request)
        assert answers[0].code in {3, 7}, answers[0]
        return True

    await each_of(made_for(method), tried, TRIES)


READING: Final = [n for n, m in METHODS.items() if m.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS]


@pytest.mark.parametrize("name", READING)
async def test_whatever_is_asked_is_answered_alike(caller: Caller, tokens: Mapping[str, str], name: str) -> None:
    """RPCs that change nothing, with requests of all kinds: ids that nobody has, accounts of others, edges."""
    method = METHODS[name]

    async def tried(request: Message) -> None:
        check_alike(await in_every_way(caller, method, request, tokens[MAY[access_of(method)]]), request)

    await each_of(made_for(method), tried, TRIES)


@pytest.mark.parametrize("name", GOOD)
async def test_what_is_good_is_answered_alike(
    caller: Caller, tokens: Mapping[str, str], rest: httpx.AsyncClient, instrument: str, name: str
) -> None:
    """Each way does it once, what changes something with names of its own; what is told is the same but for those."""
    who, template = GOOD[name]
    method = METHODS[name]
    makers = Makers(rest, tokens, instrument)
    told = {}
    for way in WAYS:
        if name not in READING:
            makers = Makers(rest, tokens, instrument)
        values = await makers.fill(template)
        answer = await caller.call(way, method, request_of(method, **values), await makers.token(who))
        assert answer is not None, f"{way} has no form of {values}"
        assert answer.code == 0, (way, values, answer)
        told[way] = alike(answer, makers.own, VOLATILE.__contains__)
    assert len(set(told.values())) == 1, told


async def refused(
    caller: Caller, name: str, token: str, values: Mapping[str, Any], code: int, reason: str
) -> list[Answer]:
    """Calls in every way, and checks that it is refused alike, as expected."""
    method = METHODS[name]
    answers = await in_every_way(caller, method, request_of(method, **values), token)
    assert len(answers) == len(WAYS)
    check_alike(answers, values)
    assert (answers[0].code, answers[0].refusal.reason) == (code, reason), answers[0]
    return answers


async def test_orders_are_refused_alike(
    caller: Caller, tokens: Mapping[str, str], rest: httpx.AsyncClient, instrument: str
) -> None:
    """A bad field, an unknown id, another's account, an id used twice, a version that is over."""
    trader = tokens["trader"]
    makers = Makers(rest, tokens, instrument)
    good = order(instrument)
    [answer, *_] = await refused(caller, "PlaceOrder", trader, {**good, "quantity": "ten"}, 3, "INVALID_FIELD")
    assert answer.refusal.fields == ("quantity",)
    await refused(caller, "GetOrder", trader, {"order_id": NOBODY}, 5, "UNKNOWN_ORDER")
    await refused(caller, "CancelOrder", trader, {"order_id": NOBODY}, 5, "UNKNOWN_ORDER")
    other = await makers.account()
    await refused(caller, "PlaceOrder", trader, {**good, "account_id": other}, 7, "PERMISSION_DENIED")
    placed = await caller.call("rest", METHODS["PlaceOrder"], request_of(METHODS["PlaceOrder"], **good), trader)
    assert placed is not None
    assert placed.code == 0, placed
    again = {**good, "quantity": "11"}
    await refused(caller, "PlaceOrder", trader, again, 6, "DUPLICATE_CLIENT_ORDER_ID")
    resting = await makers.resting()
    replace = {"order_id": resting, "replace_id": uuid.uuid4().hex, "quantity": "5", "expected_version": 999}
    answers = await in_every_way(
        caller, METHODS["ReplaceOrder"], request_of(METHODS["ReplaceOrder"], **replace), trader
    )
    check_alike(answers, replace)
    assert answers[0].code in {9, 10}, answers[0]


async def test_a_deadline_that_has_passed_is_told_alike(caller: Caller, tokens: Mapping[str, str]) -> None:
    """Code 4, over REST 504."""
    method = METHODS["ListOrders"]
    request = request_of(method, account_id="demo")
    for way in WAYS:
        answer = await caller.call(way, method, request, tokens["trader"], deadline="1n")
        assert answer is not None
        assert answer.code == 4, (way, answer)


async def test_who_tries_too_often_is_told_when_to_come_again(caller: Caller, rest: httpx.AsyncClient) -> None:
    """By RetryInfo, in every way; over REST by the header, too."""
    name = f"u-{uuid.uuid4().hex[:12]}"
    body = {"username": name, "password": NEW_PASSWORD, "environment": SIMULATION}
    assert (await rest.post("/api/v1/auth/register", json=body)).status_code == 200
    wrong = {**body, "password": "not the password at all"}
    # Until a pause is long enough for all ways.
    tried = [await rest.post("/api/v1/auth/login", json=wrong) for _ in range(10)]
    assert tried[-1].status_code == 429, tried[-1].text
    delay = tried[-1].json()["details"][-1]["retry_delay"]
    assert tried[-1].headers["retry-after"] == str(math.ceil(float(delay.rstrip("s")))), delay
    answers = await refused(caller, "Login", "", wrong, 8, "TOO_MANY_ATTEMPTS")
    assert all(each.refusal.retry for each in answers)
