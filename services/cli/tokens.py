"""Tokens of a login between commands: in a file that its owner alone can read."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from ordermesh.identity.v1 import session_pb2

LOCK_SECONDS: Final = 15.0
"""How long another command may hold the file: longer than a call to the mesh takes."""
_ASK_AGAIN_SECONDS: Final = 0.02
EARLY_SECONDS: Final = 5.0
"""An access token counts as ended so long before it does: it has to get there."""


class TokenFileError(Exception):
    """The file cannot be read or written; the message says which and why."""


@dataclass(frozen=True, slots=True)
class KeptTokens:
    """What a login has given, as kept between commands.

    Attributes:
        access_token: Sent with calls.
        expires_at: When the access token ends, in seconds since 1970-01-01 UTC.
        refresh_token: Exchanged once for new tokens.
    """

    access_token: str = field(repr=False)
    expires_at: float
    refresh_token: str = field(repr=False)

    @classmethod
    def of(cls, tokens: session_pb2.Tokens) -> Self:
        """Returns what is kept of an answer of the mesh."""
        return cls(tokens.access_token, tokens.access_token_expires_at.ToNanoseconds() / 1e9, tokens.refresh_token)

    def ended(self, now: datetime, early_seconds: float = EARLY_SECONDS) -> bool:
        """Returns whether the access token is not good any more, or will not be in a moment."""
        return now.timestamp() + early_seconds >= self.expires_at


class TokenFile:
    """The tokens for one address; replaced as a whole, so that nobody reads half of them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def at(cls, address: str, environment: Mapping[str, str] = os.environ) -> Self:
        """Returns the file for an address, below the user's folder for configuration (XDG Base Directory)."""
        told = Path(environment.get("XDG_CONFIG_HOME", ""))
        # The standard says so: a path that is not absolute is none.
        folder = told if told.is_absolute() else Path(environment.get("HOME") or Path.home(), ".config")
        return cls(folder / "ordermesh" / "tokens" / f"{quote(address, safe='[]:')}.json")

    def read(self) -> KeptTokens | None:
        """Returns the tokens; None when nobody is logged in, or the file is none of ours.

        Raises:
            TokenFileError: It cannot be read.
        """
        try:
            kept = json.loads(self.path.read_bytes())
            return KeptTokens(str(kept["access_token"]), float(kept["expires_at"]), str(kept["refresh_token"]))
        except (FileNotFoundError, ValueError, TypeError, LookupError):
            return None
        except OSError as error:
            raise _told(self.path, error) from None

    def write(self, tokens: KeptTokens) -> None:
        """Replaces the tokens.

        Raises:
            TokenFileError: They cannot be kept.
        """
        try:
            descriptor, unfinished = tempfile.mkstemp(dir=self._folder(), prefix=f".{self.path.name}.")  # mode 0600
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    json.dump(asdict(tokens), file)
                    file.flush()
                    os.fsync(file.fileno())
                Path(unfinished).replace(self.path)
            except BaseException:
                with suppress(OSError):
                    Path(unfinished).unlink()
                raise
        except OSError as error:
            raise _told(self.path, error) from None

    def exists(self) -> bool:
        """Returns whether there is a file, whatever it holds."""
        return self.path.exists()

    def remove(self) -> None:
        """Removes the tokens.

        Raises:
            TokenFileError: They cannot be removed.
        """
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise _told(self.path, error) from None

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Holds the file for the time of a block: no other command exchanges or replaces its tokens.

        Asked again and again, not waited for in a thread, which Ctrl-C could not end.

        Raises:
            TokenFileError: It cannot be locked, or another command holds it for too long.
        """
        descriptor = self._open_lock()
        try:
            async with asyncio.timeout(LOCK_SECONDS):
                while not _taken(descriptor):  # noqa: ASYNC110 - another process holds it: there is no event to wait for
                    await asyncio.sleep(_ASK_AGAIN_SECONDS)
        except TimeoutError:
            os.close(descriptor)
            raise TokenFileError(f"{self.path}: another command has held it for {LOCK_SECONDS:g} s") from None
        except BaseException:
            os.close(descriptor)
            raise
        try:
            yield
        finally:
            os.close(descriptor)

    def _open_lock(self) -> int:
        # A file of its own that stays: the one with the tokens is another one after each exchange.
        path = self.path.with_name(f"{self.path.name}.lock")
        try:
            self._folder()
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _told(path, error) from None

    def _folder(self) -> Path:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.path.parent


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _told(path: Path, error: OSError) -> TokenFileError:
    return TokenFileError(f"{path}: {error.strerror or error}")
