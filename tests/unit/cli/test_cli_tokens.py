"""The tokens of a login between commands, and who uses them up."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
from datetime import timedelta
from pathlib import Path

import pytest

from ordermesh.identity.v1 import session_pb2
from services.cli import tokens as module
from services.cli.login import ENDED, Login
from services.cli.tokens import KeptTokens, TokenFile, TokenFileError
from services.kernel.clock import from_ns
from services.kernel.errors import CodedError, unauthenticated, unavailable
from tests.fakes.clock import FakeClock

LIFE = timedelta(seconds=300)


class FakeIdentity:
    """Exchanges refresh tokens as IdentityService does: each once, or the session ends."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.newest, self.exchanged = clock, 0, list[str]()
        self.failure: CodedError | None = None

    def tokens(self) -> session_pb2.Tokens:
        """Returns the newest tokens."""
        tokens = session_pb2.Tokens(access_token=f"access-{self.newest}", refresh_token=f"refresh-{self.newest}")
        tokens.access_token_expires_at.FromDatetime(self.clock.now() + LIFE)
        return tokens

    async def exchange(self, refresh_token: str) -> session_pb2.Tokens:
        """Returns new tokens, after others had their turn."""
        self.exchanged.append(refresh_token)
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        if refresh_token != f"refresh-{self.newest}":
            raise unauthenticated("REFRESH_TOKEN_REUSED", "the session has ended")
        self.newest += 1
        return self.tokens()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def identity(clock: FakeClock) -> FakeIdentity:
    return FakeIdentity(clock)


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile.at("h:1", {"XDG_CONFIG_HOME": str(tmp_path)})


@pytest.fixture
async def login(file: TokenFile, identity: FakeIdentity, clock: FakeClock) -> Login:
    """Somebody who has logged in, in a command before."""
    await Login(file, identity.exchange, clock).keep(identity.tokens())
    return Login(file, identity.exchange, clock)


def token(login: Login) -> str:
    """Returns the access token that goes along."""
    return "".join(str(value).removeprefix("Bearer ") for _, value in login.metadata_now())


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"XDG_CONFIG_HOME": "/c", "HOME": "/h"}, "/c/ordermesh/tokens/127.0.0.1:8080.json"),
        ({"XDG_CONFIG_HOME": "not/absolute", "HOME": "/h"}, "/h/.config/ordermesh/tokens/127.0.0.1:8080.json"),
        ({"HOME": "/h"}, "/h/.config/ordermesh/tokens/127.0.0.1:8080.json"),
    ],
)
def test_each_address_has_a_file_below_the_folder_for_configuration(environment: dict[str, str], path: str) -> None:
    """The standard's variable first, unless it is no absolute path."""
    assert str(TokenFile.at("127.0.0.1:8080", environment).path) == path


def test_an_address_never_names_another_folder() -> None:
    """Whatever the environment says: it is one name."""
    assert TokenFile.at("unix:/../../x", {"XDG_CONFIG_HOME": "/c"}).path.parent == Path("/c/ordermesh/tokens")


def test_the_file_is_its_owners_and_replaced_as_a_whole(file: TokenFile) -> None:
    """Mode 0600 in a folder of mode 0700; nothing unfinished stays, and nothing shows them by accident."""
    for kept in (KeptTokens("access", 1.5, "refresh"), KeptTokens("new", 2.5, "newer")):
        file.write(kept)
        assert file.read() == kept
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.path.parent.iterdir()] == ["h:1.json"]
    assert repr(file.read()) == "KeptTokens(expires_at=2.5)"
    file.remove()
    assert (file.read(), file.exists()) == (None, False)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"access_token": "a", "expires_at": "x", "refresh_token": ""}'])
def test_a_file_that_is_none_of_ours_logs_nobody_in(file: TokenFile, text: str) -> None:
    """A new login replaces it."""
    file.write(KeptTokens("a", 1, "r"))
    file.path.write_text(text)
    assert file.read() is None
    file.write(KeptTokens("a", 1, "r"))
    assert file.read() == KeptTokens("a", 1, "r")


def test_a_file_that_cannot_be_kept_says_which_and_why(tmp_path: Path) -> None:
    """And what was there before stays."""
    (tmp_path / "ordermesh").write_text("a file where the folder should be")
    file = TokenFile.at("h:1", {"XDG_CONFIG_HOME": str(tmp_path)})
    with pytest.raises(TokenFileError, match=r"h:1.json: .*director"):
        file.write(KeptTokens("a", 1, "r"))
    with pytest.raises(TokenFileError, match=r"h:1.json: Not a directory"):
        file.read()


async def test_a_good_access_token_is_used_as_it_is(login: Login, identity: FakeIdentity, clock: FakeClock) -> None:
    """Until just before it ends."""
    clock.advance(LIFE - timedelta(seconds=6))
    assert await login.begin()
    assert (token(login), identity.exchanged) == ("access-0", [])


async def test_an_access_token_that_has_ended_is_replaced_and_kept(
    login: Login, file: TokenFile, identity: FakeIdentity, clock: FakeClock
) -> None:
    """Also within one command that lasts; the next command finds the new ones."""
    clock.advance(LIFE)
    await login.begin()
    assert token(login) == "access-1"
    clock.advance(LIFE)
    assert await login.metadata() == (("authorization", "Bearer access-2"),)
    kept = file.read()
    assert kept is not None
    assert (kept.access_token, kept.refresh_token) == ("access-2", "refresh-2")
    assert from_ns(int(kept.expires_at * 1e9)) == clock.now() + LIFE


async def test_several_commands_at_once_use_a_refresh_token_once(
    login: Login, file: TokenFile, identity: FakeIdentity, clock: FakeClock
) -> None:
    """One exchanges it, the others take what came of it."""
    clock.advance(LIFE)
    others = [login, *(Login(file, identity.exchange, clock) for _ in range(4))]
    assert await asyncio.gather(*(each.begin() for each in others)) == [True] * 5
    assert identity.exchanged == ["refresh-0"]
    assert {token(each) for each in others} == {"access-1"}


def _hold(path: str, held: multiprocessing.synchronize.Event, over: multiprocessing.synchronize.Event) -> None:
    async def hold() -> None:
        async with TokenFile(Path(path)).locked():
            held.set()
            over.wait(30)

    asyncio.run(hold())


async def test_another_process_is_waited_for_and_not_for_ever(
    login: Login, file: TokenFile, identity: FakeIdentity, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that holds the file is waited for; one that stands still is told of, and goes on holding it."""
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.2)
    clock.advance(LIFE)
    context = multiprocessing.get_context("spawn")
    held, over = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(str(file.path), held, over))
    process.start()
    try:
        assert await asyncio.to_thread(held.wait, 60)
        with pytest.raises(TokenFileError, match=r"another command has held it for 0.2 s"):
            await login.begin()
        assert identity.exchanged == []
        monkeypatch.setattr(module, "LOCK_SECONDS", 60)
        waiting = asyncio.ensure_future(login.begin())
        over.set()
        assert await waiting
    finally:
        over.set()
        process.join(30)
    assert token(login) == "access-1"


async def test_a_session_that_has_ended_is_told_and_forgotten(
    login: Login, file: TokenFile, identity: FakeIdentity, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command goes on without; nothing presents the tokens again."""
    identity.newest = 7
    clock.advance(LIFE)
    await login.begin_if_possible()
    assert (await login.metadata(), file.read()) == ((), None)
    assert capsys.readouterr().err == f"{ENDED}\n"
    assert identity.exchanged == ["refresh-0"]


async def test_an_identity_service_that_is_away_ends_no_login(
    login: Login, file: TokenFile, identity: FakeIdentity, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """This command goes on without, saying so once; the next one tries again."""
    identity.failure = unavailable("SERVICE_UNAVAILABLE", "it is away")
    clock.advance(LIFE)
    await login.begin_if_possible()
    assert (await login.metadata(), identity.exchanged) == ((), ["refresh-0"])
    assert capsys.readouterr().err.startswith("going on without the login: SERVICE_UNAVAILABLE: it is away")
    identity.failure = None
    again = Login(file, identity.exchange, clock)
    assert await again.begin()
    assert token(again) == "access-1"


async def test_tokens_that_cannot_be_kept_are_used_by_this_command_and_never_twice(
    login: Login,
    file: TokenFile,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A refresh token that is used up does not stay in the file."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    clock.advance(LIFE)
    monkeypatch.setattr(json, "dump", full)
    await login.begin()
    assert (token(login), file.exists()) == ("access-1", False)
    assert "No space left on device" in capsys.readouterr().err


async def test_who_logs_out_while_another_command_waits_is_logged_out(
    login: Login, file: TokenFile, identity: FakeIdentity, clock: FakeClock
) -> None:
    """The command that waited finds nobody."""
    clock.advance(LIFE)
    async with file.locked():
        waiting = asyncio.ensure_future(login.begin())
        await asyncio.sleep(0)
        file.remove()
    assert not await waiting
    assert (identity.exchanged, await login.forget()) == ([], False)
