"""What schemathesis makes of the OpenAPI document: requests as it says, and others; answers held to it.

Event streams are left out: they do not end. test_attacks_contracts.py has them.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final, cast

import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.attacks.exploring import each_of
from tests.attacks.rpcs import public_rpcs
from tests.attacks.state import changed, settled
from tests.attacks.ways import ANSWER_SECONDS, FAULTS, told_by_rest
from tests.attacks.world import User, World
from tests.fixtures.ways import bearer

pytestmark = pytest.mark.asyncio(loop_scope="session")

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "gen" / "openapi" / "openapi.json"
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
MODES: Final = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
FOR_EVERYBODY: Final = {binding.path for rpc in public_rpcs() if rpc.roles is None for binding in rpc.bindings}


def cases() -> SearchStrategy[Any]:
    """Returns requests of every operation, as the document says and otherwise."""
    schema = schemathesis.openapi.from_dict(json.loads(DOCUMENT.read_text(encoding="utf-8")))
    found: list[Any] = [cast("Any", each).ok() for each in schema.get_all_operations()]
    ended = [operation for operation in found if not operation.path.startswith("/api/v1/stream/")]
    return st.sampled_from(ended).flatmap(
        lambda operation: st.sampled_from(MODES).flatmap(lambda mode: operation.as_strategy(generation_mode=mode))
    )


async def answered(world: World, session: requests.Session, case: Any, token: str) -> requests.Response:
    """Sends a request, and holds the answer to the document."""
    headers = bearer(token)

    def ask() -> requests.Response:
        case.headers.pop("authorization", None)
        answer: requests.Response = case.call(
            base_url=world.mesh.gateway_url, session=session, headers=headers, timeout=ANSWER_SECONDS
        )
        case.validate_response(answer, checks=CHECKS)
        return answer

    return await asyncio.to_thread(ask)


async def test_with_rights_it_is_answered_or_refused_with_a_reason(world: World) -> None:
    """A user of each role, and of all, meets no fault, and answers have the form that the document says."""
    users = (*world.by_role.values(), world.everything)
    with requests.Session() as session:

        async def tried(asked: tuple[Any, User]) -> None:
            case, user = asked
            token = user.token
            answer = await answered(world, session, case, token)
            told = told_by_rest(answer.status_code, answer.content)
            assert told.code not in FAULTS, (user.roles, case, answer.text)
            if told.reason == "INVALID_TOKEN" and user.token == token:
                await world.login(user)

        try:
            await each_of(st.tuples(cases(), st.sampled_from(users)), tried, kind="OpenAPI: each role")
        finally:
            await world.quiet()


async def test_without_rights_nothing_happens(world: World) -> None:
    """With a token that is for nothing, or for reading: refused, nothing changed, nothing told."""
    before = await settled(world.mesh)
    shown = {token: what for what, token in world.powerless.items()}
    with requests.Session() as session:

        async def tried(asked: tuple[Any, str]) -> None:
            case, token = asked
            answer = await answered(world, session, case, token)
            assert not world.victim.leaked(answer.content, b""), (case, answer.text)
            reads = case.method.upper() == "GET" and shown[token] in {"for reading", "of real money"}
            if case.operation.path not in FOR_EVERYBODY and not reads:
                assert 400 <= answer.status_code < 500, (case, answer.text)

        await each_of(st.tuples(cases(), st.sampled_from([*shown])), tried, kind="OpenAPI: without rights")
    assert changed(before, await settled(world.mesh)) == {}
