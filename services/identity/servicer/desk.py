"""What the methods of the service share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from google.protobuf.message import Message

from services.identity.crypto.keys import Ring
from services.identity.domain.caller import Caller
from services.identity.pipeline.api_keys import ApiKeys
from services.identity.pipeline.callers import Callers
from services.identity.pipeline.login import Logins
from services.identity.pipeline.second_factors import SecondFactors
from services.identity.pipeline.sessions import Sessions
from services.identity.pipeline.users import Users
from services.kernel.identifiers import parse_uuid
from services.mesh.access.caller import Caller as ProvenCaller
from services.mesh.context import served_call
from services.mesh.tokens import PageTokens, filters_of

T = TypeVar("T")

DEFAULT_PAGE_SIZE: Final = 100
BEFORE_ALL_IDS: Final = "00000000-0000-0000-0000-000000000000"


class PagedRequest(Protocol):
    """A request for a page."""

    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that answers are made of."""

    logins: Logins
    sessions: Sessions
    factors: SecondFactors
    keys: ApiKeys
    users: Users
    callers: Callers
    ring: Ring

    async def caller(self) -> Caller:
        """Returns who makes the call being served.

        Raises:
            CodedError: INVALID_TOKEN.
        """
        call = served_call()
        caller = await self.callers.known(call.authorization or "")
        if call.caller is None:
            # Nobody has asked before; what is changed is recorded as theirs all the same.
            call.caller, call.roles = _as_seen_elsewhere(caller), frozenset(caller.user.roles)
        return caller

    def address(self) -> str:
        """Returns where the call being served comes from."""
        return served_call().address


def _as_seen_elsewhere(caller: Caller) -> ProvenCaller:
    """Returns a caller as services see one by a token."""
    user = caller.user
    return ProvenCaller(
        name=user.user_id,
        is_service=False,
        roles=frozenset(user.roles),
        scopes=frozenset(caller.scopes),
        environment=user.environment,
        accounts=frozenset(user.account_ids),
        session_id=caller.session_id,
        ends_ns=0,
    )


class Pages:
    """The pages of one list call."""

    def __init__(self, request: Message, *, size: int, token: str, by_id: bool = True) -> None:
        self._tokens = PageTokens(filters_of(request))
        self.size = size or DEFAULT_PAGE_SIZE
        read = self._tokens.read(token)
        self.after = read[0] if read is not None else BEFORE_ALL_IDS if by_id else ""
        if by_id:
            # Anybody can make up a token.
            parse_uuid(self.after, "page_token")

    @property
    def wanted(self) -> int:
        """How many to ask for: one more, which says whether there is another page."""
        return self.size + 1

    def cut(self, found: Sequence[T], position: Callable[[T], str]) -> tuple[Sequence[T], str]:
        """Returns what the page holds, and the token of the next one."""
        shown = found[: self.size]
        return shown, self._tokens.make(position(shown[-1])) if len(found) > self.size else ""
