"""`ordermesh login`, `logout`, `whoami` and `keys`, through the real gateway."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh
from ordermesh.identity.v1 import api_key_pb2, authentication_pb2, profile_pb2, second_factor_pb2
from ordermesh.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from ordermesh.type.v1.trading_pb2 import ENVIRONMENT_SIMULATION
from services.identity.domain import totp
from services.mesh.client import Channels
from tests.fixtures.command import Outcome, ordermesh
from tests.fixtures.identity import PASSWORD, bearer, refused
from tests.fixtures.terminal import on_terminal

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]


@dataclass
class Person:
    """A user of the test's own, and a machine on which nobody else logs in."""

    mesh: Mesh
    name: str
    config: Path
    identity: Any

    async def run(self, *words: str, typed: str = "") -> Outcome:
        """Runs the command to its end."""
        return await ordermesh(self.mesh, *words, typed=typed, XDG_CONFIG_HOME=str(self.config))

    async def done(self, *words: str, typed: str = "") -> Outcome:
        """Runs a command that succeeds."""
        outcome = await self.run(*words, typed=typed)
        assert outcome.code == 0, outcome.err
        return outcome

    async def login(self) -> Outcome:
        """Logs in as a program does."""
        return await self.done("login", "--username", self.name, typed=f"{PASSWORD}\n")

    @property
    def file(self) -> Path:
        """Where the tokens are."""
        return self.config / "ordermesh" / "tokens" / f"{self.mesh.address('gateway')}.json"

    def kept(self) -> dict[str, Any]:
        """Returns the tokens."""
        kept: dict[str, Any] = json.loads(self.file.read_text())
        return kept

    def let_the_access_token_end(self) -> None:
        """As five minutes do."""
        self.file.write_text(json.dumps({**self.kept(), "expires_at": 0}))


@pytest_asyncio.fixture(loop_scope="session")
async def person(mesh: Mesh, tmp_path: Path) -> AsyncIterator[Person]:
    """A user who has not logged in."""
    name, channels = f"u-{uuid.uuid4().hex[:12]}", Channels()
    stub: Any = IdentityServiceStub(channels.to(mesh.address("gateway")))
    await stub.Register(
        authentication_pb2.RegisterRequest(username=name, password=PASSWORD, environment=ENVIRONMENT_SIMULATION)
    )
    yield Person(mesh, name, tmp_path, stub)
    await channels.close()


async def test_a_login_lasts_until_the_logout(person: Person) -> None:
    """Its tokens are the owner's alone and shown nowhere; afterwards nobody is logged in, and the command says so."""
    logged_in = await person.login()
    assert person.name in logged_in.out
    assert person.file.stat().st_mode & 0o777 == 0o600
    kept = person.kept()
    who = await person.done("whoami", "--json")
    assert (who.json["user"]["username"], who.json["user"]["roles"]) == (person.name, ["ROLE_TRADER"])
    everything = logged_in.out + logged_in.err + who.out + who.err
    assert not any(secret in everything for secret in (kept["access_token"], kept["refresh_token"], PASSWORD))
    assert (await person.done("logout")).out == f"logged out at {person.mesh.address('gateway')}\n"
    assert not person.file.exists()
    gone = await person.run("whoami")
    assert (gone.code, gone.out) == (1, "")
    assert gone.err.startswith("ordermesh: INVALID_TOKEN: ")
    assert "`ordermesh login`" in gone.err
    again = await person.done("logout")
    assert again.err == f"nobody is logged in at {person.mesh.address('gateway')}\n"
    request = authentication_pb2.RefreshTokensRequest(refresh_token=kept["refresh_token"])
    assert (await refused(person.identity.RefreshTokens(request))).reason == "INVALID_TOKEN"


async def test_an_access_token_that_has_ended_is_refreshed_once(person: Person) -> None:
    """Also by commands at once, which would end the session by using one refresh token twice; any command does it."""
    await person.login()
    before = person.kept()
    person.let_the_access_token_end()
    outcomes = await asyncio.gather(*(person.run("whoami") for _ in range(3)))
    assert [(outcome.code, outcome.err) for outcome in outcomes] == [(0, "")] * 3
    after = person.kept()
    assert after["refresh_token"] != before["refresh_token"]
    assert person.file.stat().st_mode & 0o777 == 0o600
    person.let_the_access_token_end()
    assert (await person.done("accounts", "--json")).err == ""
    assert person.kept()["refresh_token"] != after["refresh_token"]


async def test_a_session_that_was_ended_elsewhere_is_told(person: Person) -> None:
    """Nobody is logged in then, in so many words; who logs out then is logged out."""
    await person.login()
    stolen = authentication_pb2.RefreshTokensRequest(refresh_token=person.kept()["refresh_token"])
    await person.identity.RefreshTokens(stolen)
    person.let_the_access_token_end()
    accounts = await person.run("accounts", "--json")
    assert (accounts.code, accounts.out) == (1, "")
    assert accounts.err.splitlines() == [
        "the login has ended; `ordermesh login` begins another",
        "ordermesh: INVALID_TOKEN: nobody is logged in; `ordermesh login` logs in",
    ]
    assert not person.file.exists()
    await person.login()
    metadata = bearer(person.kept()["access_token"])
    await person.identity.Logout(authentication_pb2.LogoutRequest(), metadata=metadata)
    assert (await person.done("logout", "--json")).json["logged_out"] is True
    assert not person.file.exists()


async def test_a_token_is_shown_to_scripts(person: Person) -> None:
    """One that is good for a while, alone on its line; when nobody is logged in, the error is one line, too."""
    for words in (("token",), ("orders",)):
        nobody = await person.run(*words)
        assert (nobody.code, nobody.out) == (1, "")
        assert nobody.err == "ordermesh: INVALID_TOKEN: nobody is logged in; `ordermesh login` logs in\n"
    await person.login()
    kept = person.kept()["access_token"]
    assert (await person.done("token")).out == f"{kept}\n"
    person.file.write_text(json.dumps({**person.kept(), "expires_at": time.time() + 30}))
    shown = await person.done("token")
    assert (shown.out, shown.err) == (f"{person.kept()['access_token']}\n", "")
    assert shown.out != f"{kept}\n"
    me = await person.identity.GetProfile(profile_pb2.GetProfileRequest(), metadata=bearer(shown.out.strip()))
    assert me.user.username == person.name


async def test_a_password_is_asked_for_and_not_shown(person: Person) -> None:
    """On a terminal, as is the username."""
    variables = {"XDG_CONFIG_HOME": str(person.config)}
    async with on_terminal(person.mesh, "login", **variables) as terminal:
        await terminal.until("Username: ")
        terminal.type(person.name)
        await terminal.until("Password: ")
        terminal.type(PASSWORD)
        assert await asyncio.wait_for(terminal.process.wait(), 60) == 0
    assert person.name in terminal.shown.partition("Password: ")[2]
    assert PASSWORD not in terminal.shown
    assert (await person.done("whoami", "--json")).json["user"]["username"] == person.name


async def test_a_second_factor_is_asked_for(person: Person) -> None:
    """A program gives it as a second line; a login without it logs nobody in."""
    await person.login()
    metadata = bearer(person.kept()["access_token"])
    enroll = second_factor_pb2.EnrollSecondFactorRequest(password=PASSWORD)
    secret = totp.secret_of((await person.identity.EnrollSecondFactor(enroll, metadata=metadata)).secret)
    confirm = second_factor_pb2.ConfirmSecondFactorRequest(code=totp.code_at(secret, totp.step_at(datetime.now(UTC))))
    recovery, *_ = (await person.identity.ConfirmSecondFactor(confirm, metadata=metadata)).recovery_codes
    await person.done("logout")
    words = ("login", "--username", person.name)
    without = await person.run(*words, typed=f"{PASSWORD}\n")
    assert (without.code, person.file.exists()) == (2, False)
    wrong = await person.run(*words, typed=f"{PASSWORD}\n000000x\n")
    assert (wrong.code, wrong.err.split(": ")[1], person.file.exists()) == (1, "INVALID_CODE", False)
    given = await person.done(*words, "--json", typed=f"{PASSWORD}\n{recovery}\n")
    assert given.json["user"]["second_factor"] is True
    assert (await person.done("whoami")).out.count("yes") == 1


@pytest.mark.parametrize(
    ("words", "typed", "code", "told"),
    [
        (("--username", "{}"), "not the password\n", 1, "INVALID_CREDENTIALS"),
        (("--username", "{}", "--environment", "live"), PASSWORD, 1, "INVALID_CREDENTIALS"),
        (("--username", "a b"), PASSWORD, 1, "must be 2 to 64 letters"),
        (("--username", "{}"), "", 2, "password"),
        ((), PASSWORD, 2, "--username"),
    ],
)
async def test_a_login_that_fails_keeps_nothing(
    person: Person, words: tuple[str, ...], typed: str, code: int, told: str
) -> None:
    """And ends the login that there was in no way."""
    await person.login()
    before = person.kept()
    outcome = await person.run("login", *(word.format(person.name) for word in words), typed=typed)
    assert (outcome.code, outcome.out) == (code, "")
    assert told in outcome.err
    assert not typed or typed.strip() not in outcome.err
    assert person.kept() == before


async def test_keys_are_made_listed_and_revoked(person: Person) -> None:
    """The secret is shown once and exchanged by a program; without a login there are none."""
    nobody = await person.run("keys", "list")
    assert (nobody.code, "`ordermesh login`" in nobody.err) == (1, True)
    await person.login()
    assert (await person.done("keys", "list")).err == "there are no keys\n"
    words = ("--scope", "read", "--scope", "trade", "--from", "127.0.0.0/8", "--until", "90d")
    made = (await person.done("keys", "create", "robot", *words, "--json")).json
    key, secret = made["api_key"], made["secret"]
    assert (key["scopes"], key["allowed_networks"]) == (["SCOPE_READ", "SCOPE_TRADE"], ["127.0.0.0/8"])
    ends = datetime.fromisoformat(key["expires_at"]) - datetime.fromisoformat(key["created_at"])
    assert ends.total_seconds() == pytest.approx(90 * 86_400, abs=60)
    exchange = api_key_pb2.ExchangeApiKeyRequest(secret=secret)
    await person.identity.ExchangeApiKey(exchange)
    listed = await person.done("keys", "list")
    assert all(text in listed.out for text in (key["api_key_id"], "robot", "read, trade", "from 127.0.0.1"))
    assert secret not in listed.out
    other = await person.done("keys", "create", "other")
    assert "secret: omk_" in other.out
    assert (await person.done("keys", "revoke", key["api_key_id"])).out == f"revoked: robot ({key['api_key_id']})\n"
    assert (await refused(person.identity.ExchangeApiKey(exchange))).reason == "INVALID_CREDENTIALS"
    names = [
        [each["name"] for each in (await person.done("keys", "list", *more, "--json")).json["api_keys"]]
        for more in ((), ("--all",))
    ]
    assert names == [["other"], ["robot", "other"]]
    unknown = await person.run("keys", "revoke", str(uuid.uuid4()))
    assert (unknown.code, "`ordermesh keys list`" in unknown.err) == (1, True)
