"""Who the loads act for: dealers with some accounts each, and a file that tells a load whose token goes with which.

A user has fifty accounts at most, so that a batch of more accounts than that would need two tokens: loads over many
accounts send batches of fifty, which begin where the accounts of a dealer do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from deploy.embedded.mesh import Mesh
from services.mesh.context import AUTHORIZATION
from tests.fixtures.users import DEALER, User, made

MOST_ACCOUNTS: Final = 50
"""Accounts of a user, as the contract bounds them."""
_AT_ONCE: Final = 8


@dataclass
class Desks:
    """The dealers of a mesh, by the folder of which they are found again."""

    mesh: Mesh
    _dealers: list[tuple[Sequence[str], User]] = field(default_factory=list)

    async def engage(self, accounts: Sequence[str]) -> None:
        """Makes dealers for accounts; for an account that has one already, the newest counts."""
        for first in range(0, len(accounts), MOST_ACCOUNTS):
            own = tuple(accounts[first : first + MOST_ACCOUNTS])
            self._dealers.append((own, await made(self.mesh, DEALER, accounts=own)))

    async def tokens(self) -> Path:
        """Returns the file with a new token of each dealer: one lasts for longer than a load does."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def renew(user: User) -> None:
            async with turns:
                await user.login(instead_of=user.token)

        await asyncio.gather(*(renew(user) for _, user in self._dealers))
        path = self.mesh.local.directory / "bench-tokens.json"
        path.write_text(json.dumps([{"accounts": own, "token": user.token} for own, user in self._dealers]))
        return path


@dataclass(frozen=True, slots=True)
class Tokens:
    """Whose token goes with the orders of which account. Without any, nothing goes with them."""

    _by_account: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None) -> Self:
        """Returns the tokens of a file, none without one."""
        told = json.loads(path.read_text()) if path else []
        return cls({account: of_token(each["token"]) for each in told for account in each["accounts"]})

    def of(self, account: str) -> tuple[tuple[str, str], ...]:
        """Returns the metadata that goes with the orders of an account."""
        return self._by_account.get(account, ())


def of_token(token: str) -> tuple[tuple[str, str], ...]:
    """Returns the metadata that shows a token."""
    return ((AUTHORIZATION, f"Bearer {token}"),)


_desks: dict[Path, Desks] = {}


def desks_of(mesh: Mesh) -> Desks:
    """Returns the dealers of a mesh."""
    return _desks.setdefault(mesh.local.directory, Desks(mesh))
