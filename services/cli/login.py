"""Who the command acts for: the user who is logged in at the mesh that it calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from ordermesh.identity.v1 import session_pb2
from services.cli.failure import one_line
from services.cli.output import say
from services.cli.tokens import EARLY_SECONDS, KeptTokens, TokenFile, TokenFileError
from services.kernel.clock import Clock, SystemClock
from services.kernel.errors import CodedError, ErrorKind
from services.mesh.client import Metadata
from services.mesh.context import AUTHORIZATION

Exchange = Callable[[str], Awaitable[session_pb2.Tokens]]
"""Exchanges a refresh token for new tokens."""

ENDED = "the login has ended; `ordermesh login` begins another"


class Login:
    """The tokens of whoever is logged in, fresh ones as long as the session lasts.

    Args:
        file: Where they are kept between commands.
        exchange: Asks the mesh for fresh ones.
        clock: For tests.
        given: An access token to call with instead, as long as nobody logs in.
    """

    def __init__(self, file: TokenFile, exchange: Exchange, clock: Clock | None = None, given: str = "") -> None:
        self._file, self._exchange, self._clock = file, exchange, clock or SystemClock()
        self._tokens: KeptTokens | None = None
        self._given = given

    async def begin(self) -> bool:
        """Takes the tokens that were kept, and returns whether somebody is logged in.

        Raises:
            CodedError: The access token has ended, and IdentityService cannot be asked for another.
            TokenFileError: The file with the tokens cannot be used.
        """
        if self._given:
            return True
        self._tokens = self._file.read()
        await self._renew()
        return self._tokens is not None

    async def access_token(self, least_seconds: float) -> str:
        """Returns an access token that is good for some time to come; empty when nobody is logged in.

        Raises:
            CodedError: IdentityService cannot be asked for a fresh one.
            TokenFileError: The file with the tokens cannot be used.
        """
        if not self._given:
            self._tokens = self._file.read()
            await self._renew(least_seconds)
        return self._token()

    async def begin_if_possible(self) -> None:
        """Does the same for commands that go on without: the mesh says whether they may."""
        try:
            await self.begin()
        except (CodedError, TokenFileError) as error:
            self._go_on_without(error)

    async def metadata(self) -> Metadata:
        """Returns what goes along with a call, after new tokens were fetched when it is time."""
        try:
            await self._renew()
        except (CodedError, TokenFileError) as error:
            self._go_on_without(error)
        return self.metadata_now()

    def metadata_now(self) -> Metadata:
        """Returns what goes along with a call that cannot wait."""
        token = self._token()
        return ((AUTHORIZATION, f"Bearer {token}"),) if token else ()

    def _token(self) -> str:
        return self._tokens.access_token if self._tokens is not None else self._given

    async def keep(self, tokens: session_pb2.Tokens) -> None:
        """Keeps the tokens of a new login, and acts for its user from now on.

        Raises:
            TokenFileError: They cannot be kept.
        """
        self._tokens = KeptTokens.of(tokens)
        async with self._file.locked():
            self._file.write(self._tokens)

    async def forget(self) -> bool:
        """Removes the tokens that were kept, and returns whether there were any.

        Raises:
            TokenFileError: They cannot be removed.
        """
        self._tokens = None
        if not self._file.exists():
            return False
        async with self._file.locked():
            self._file.remove()
        return True

    async def _renew(self, early_seconds: float = EARLY_SECONDS) -> None:
        if self._tokens is None or not self._ended(self._tokens, early_seconds):
            return
        async with self._file.locked():
            # Another command may have been here: a refresh token that is presented twice ends the session.
            self._tokens = self._file.read()
            if self._tokens is not None and self._ended(self._tokens, early_seconds):
                self._tokens = await self._exchanged(self._tokens)

    def _ended(self, tokens: KeptTokens, early_seconds: float) -> bool:
        return tokens.ended(self._clock.now(), early_seconds)

    async def _exchanged(self, tokens: KeptTokens) -> KeptTokens | None:
        try:
            fresh = KeptTokens.of(await self._exchange(tokens.refresh_token))
        except CodedError as error:
            if error.kind is not ErrorKind.UNAUTHENTICATED:
                raise
            self._file.remove()
            say(ENDED)
            return None
        try:
            self._file.write(fresh)
        except TokenFileError as error:
            # What is kept is used up: presented again, it would look like a theft.
            with suppress(TokenFileError):
                self._file.remove()
            say(f"the login ends with this command, for its tokens cannot be kept: {error}")
        return fresh

    def _go_on_without(self, error: CodedError | TokenFileError) -> None:
        self._tokens = None
        why = one_line(error) if isinstance(error, CodedError) else str(error)
        say(f"going on without the login: {why}")
