"""Who calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ordermesh.type.v1 import access_pb2, trading_pb2

_SECOND: Final = 1_000_000_000
_NEVER_NS: Final = 1 << 62


def _words(enum: Any, prefix: str) -> Mapping[str, int]:
    """Returns the numbers of an enum by the words that tokens have for them."""
    return {name.removeprefix(prefix).lower(): number for name, number in enum.items() if number}


_ROLES: Final = _words(access_pb2.Role, "ROLE_")
_SCOPES: Final = _words(access_pb2.Scope, "SCOPE_")
_ENVIRONMENTS: Final = _words(trading_pb2.Environment, "ENVIRONMENT_")


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller who has proved who they are: a user by a token, or a service of the mesh by its certificate.

    Attributes:
        name: Id of the user, or name of the service.
        is_service: Whether it is a service.
        roles: Roles of the user, by the contract's numbers.
        scopes: What the token may be used for.
        environment: World of the user; 0 for a service, which serves both.
        accounts: Accounts that the user may act for.
        session_id: Session or API key of the token; empty for a service.
        ends_ns: When the token ends, in nanoseconds since 1970; a service has none that ends.
        issued_ns: When it was issued.
    """

    name: str
    is_service: bool
    roles: frozenset[int]
    scopes: frozenset[int]
    environment: int
    accounts: frozenset[str]
    session_id: str
    ends_ns: int
    issued_ns: int = 0

    @classmethod
    def user(cls, claims: Mapping[str, Any]) -> Caller:
        """Returns the user of an access token.

        Raises:
            KeyError, TypeError, ValueError: The claims are not those of an access token.
        """
        return cls(
            name=str(claims["sub"]),
            is_service=False,
            roles=_numbers(_ROLES, claims["roles"]),
            scopes=_numbers(_SCOPES, claims["scopes"]),
            environment=_ENVIRONMENTS[claims["environment"]],
            accounts=frozenset(map(str, claims["accounts"])),
            session_id=str(claims["sid"]),
            ends_ns=int(claims["exp"]) * _SECOND,
            issued_ns=int(claims["iat"]) * _SECOND,
        )

    @classmethod
    def service(cls, name: str) -> Caller:
        """Returns a service of the mesh."""
        nothing: frozenset[int] = frozenset()
        return cls(name, True, nothing, nothing, 0, frozenset(), "", _NEVER_NS)


def _numbers(known: Mapping[str, int], words: Iterable[str]) -> frozenset[int]:
    """Returns the numbers of words. A word that is not known here allows nothing here."""
    return frozenset(number for word in words if (number := known.get(word)) is not None)
