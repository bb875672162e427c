"""The shards that accounts are split over, and what is asked of the others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.kernel.errors import CodedError, precondition
from services.kernel.shards import shard_of

Metadata = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Shards:
    """Which shard this process is, of how many."""

    own: int
    count: int

    def owner(self, account_id: str) -> int:
        """Returns the shard of an account; of none named, this one."""
        return shard_of(account_id, self.count) if account_id else self.own


class Owners(Protocol):
    """Knows whose orders and lists of orders are. Each method raises STORE_UNAVAILABLE."""

    async def shard_of_order(self, order_id: str) -> int | None:
        """Returns the shard of an order, None when there is no such order."""
        ...

    async def shard_of_list(self, order_list_id: str) -> int | None:
        """Returns the shard of a list, None when there is no such list."""
        ...


class Passed(Protocol):
    """A stream of another shard: its messages, serialised."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yields them; fails as the stream does, and ends it when left."""
        ...

    def cancel(self) -> None:
        """Ends the stream."""
        ...


class OtherShards(Protocol):
    """Calls other shards. What they fail with is raised as they told it."""

    async def ask(self, shard: int, method: str, request: Any, metadata: Metadata) -> Any:
        """Returns the answer of a shard to a request, within the time that the call being served has left."""
        ...

    def stream(self, shard: int, method: str, request: Any, metadata: Metadata) -> Passed:
        """Begins a stream.

        Args:
            shard: Which shard.
            method: Name of the method.
            request: A request, or an iterator of them.
            metadata: What goes with it.
        """
        ...


def mismatch(own: int, owner: int) -> CodedError:
    """Returns the error for a call that was passed on to a shard which would have to pass it on again."""
    text = (
        f"shard {own} was passed a call that is for shard {owner}: the shards are told different things of one another"
    )
    return precondition("SHARD_MISMATCH", text, shard=str(own), owner=str(owner))
