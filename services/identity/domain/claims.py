"""What an access token says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from services.identity.domain.values import Environment, Proof, Role, Scope
from services.kernel.clock import from_ns


@dataclass(frozen=True, slots=True)
class Claims:
    """An access token's claims, but for `iss` and `aud`, which are the installation's.

    Attributes:
        user_id: `sub`.
        roles: Roles of the user.
        environment: World of the user.
        accounts: Accounts that the user may act for.
        scopes: What the token may be used for.
        session_id: `sid`: the session, or the API key, that it is of.
        proofs: `amr`: how the user has proved who they are.
        token_id: `jti`.
        issued_at: `iat`, in whole seconds.
        expires_at: `exp`, in whole seconds.
    """

    user_id: str
    roles: tuple[Role, ...]
    environment: Environment
    accounts: tuple[str, ...]
    scopes: tuple[Scope, ...]
    session_id: str
    proofs: tuple[Proof, ...]
    token_id: str
    issued_at: datetime
    expires_at: datetime

    def as_json(self) -> dict[str, Any]:
        """Returns the claims as they stand in the token."""
        return {
            "sub": self.user_id,
            "roles": _words(self.roles),
            "environment": self.environment.name.lower(),
            "accounts": list(self.accounts),
            "scopes": _words(self.scopes),
            "sid": self.session_id,
            "amr": [proof.value for proof in self.proofs],
            "jti": self.token_id,
            "iat": int(self.issued_at.timestamp()),
            "exp": int(self.expires_at.timestamp()),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Claims:
        """Returns the claims of a token.

        Raises:
            KeyError, TypeError, ValueError: They are not those of an access token.
        """
        return cls(
            user_id=str(told["sub"]),
            roles=tuple(Role[word.upper()] for word in told["roles"]),
            environment=Environment[told["environment"].upper()],
            accounts=tuple(map(str, told["accounts"])),
            scopes=tuple(Scope[word.upper()] for word in told["scopes"]),
            session_id=str(told["sid"]),
            proofs=tuple(map(Proof, told["amr"])),
            token_id=str(told["jti"]),
            issued_at=_moment(told["iat"]),
            expires_at=_moment(told["exp"]),
        )


def _words(values: Iterable[IntEnum]) -> list[str]:
    return [value.name.lower() for value in values]


def _moment(seconds: int) -> datetime:
    return from_ns(int(seconds) * 1_000_000_000)
