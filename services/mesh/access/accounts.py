"""Whose accounts a caller reaches: the one place that servicers ask, whatever they are asked for."""

from __future__ import annotations

from typing import Final, NamedTuple

from ordermesh.type.v1 import access_pb2
from services.kernel.errors import CodedError, permission
from services.mesh.access.caller import Caller
from services.mesh.access.environments import Environments
from services.mesh.context import current_call, served_call

_FOR_EVERYBODY: Final = frozenset(
    {access_pb2.ROLE_RISK_MANAGER, access_pb2.ROLE_COMPLIANCE, access_pb2.ROLE_ADMIN},
)
"""Roles that reach all accounts of their environment, for what they may call at all."""


class AccountAccess:
    """Tells whether the caller of the call being served may act for an account, or see it.

    The two are one question: what a caller may do at all is said by the contract. A trader and a dealer reach the
    accounts that their token names, the other roles all of their environment, a service all. Of somebody's roles only
    those count by which they may make this call: a trader who is compliance, too, trades for nobody else.
    """

    def __init__(self, environments: Environments) -> None:
        self._environments = environments

    async def require(self, *account_ids: str) -> None:
        """Refuses a caller who does not reach all of these accounts.

        Args:
            account_ids: Accounts; an empty one stands for all that there are, which no user reaches.

        Raises:
            CodedError: PERMISSION_DENIED, the same whether or not there is such an account; SERVICE_UNAVAILABLE.
        """
        for account_id in account_ids:
            if not await self.reaches(account_id):
                raise denied(account_id)

    async def reaches(self, account_id: str) -> bool:
        """Tells whether the caller reaches an account.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when its environment cannot be told now.
        """
        call = _looked_at()
        if call is None or call.caller.is_service:
            return call is not None
        if _named(call, account_id) and await self._environments.of(account_id) == call.caller.environment:
            return True
        served_call().unreached = account_id
        return False

    def sees(self, account_id: str, environment: int) -> bool:
        """Tells whether the caller reaches an account whose environment is known: for lists."""
        call = _looked_at()
        if call is None or call.caller.is_service:
            return call is not None
        return _named(call, account_id) and environment == call.caller.environment


def lives_in(environment: int) -> bool:
    """Tells whether the caller belongs to an environment: for what is of no account, such as a connection."""
    call = _looked_at()
    return call is not None and (call.caller.is_service or call.caller.environment == environment)


def caller_environment() -> int:
    """Returns the environment of the caller; 0 for a service, and where nobody looks at callers."""
    call = _looked_at()
    return 0 if call is None else call.caller.environment


def require_everybodys() -> None:
    """Refuses a caller who does not act for everybody: for what is of the firm as a whole.

    Raises:
        CodedError: PERMISSION_DENIED.
    """
    call = _looked_at()
    if call is None or not (call.caller.is_service or _for_everybody(call)):
        raise permission("PERMISSION_DENIED", "the caller does not act for the firm")


def denied(account_id: str) -> CodedError:
    """Returns the error for an account that a caller does not reach, or that there is not."""
    which = f"the account {account_id} is not one that the caller reaches" if account_id else "name an account"
    return permission("PERMISSION_DENIED", which)


class _LookedAt(NamedTuple):
    caller: Caller
    roles: frozenset[int]


def _looked_at() -> _LookedAt | None:
    """Returns who calls. Outside of a call, and where nobody has looked at the caller, that is nobody."""
    call = current_call()
    return None if call is None or call.caller is None else _LookedAt(call.caller, call.roles)


def _for_everybody(call: _LookedAt) -> bool:
    return not call.roles.isdisjoint(_FOR_EVERYBODY)


def _named(call: _LookedAt, account_id: str) -> bool:
    return bool(account_id) and (account_id in call.caller.accounts or _for_everybody(call))
