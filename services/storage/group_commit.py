"""Group commit: everything that waits when the committer's turn comes goes into one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from services.kernel.drain import Drain, DrainClosedError
from services.kernel.errors import exhausted, unavailable

T = TypeVar("T")
R = TypeVar("R")

__all__ = ["Drain", "DrainClosedError", "GroupCommitter"]


class GroupCommitter(Generic[T, R]):
    """Hands what waits to an async `commit(batch)`, and each item's submitter its own result.

    `commit` returns one result for each item, in order; a result that is an exception is raised at that item's
    submitter alone. When `commit` itself raises, all submitters of the batch get that error, and the committer goes on.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        *,
        most_per_batch: int = 512,
        most_waiting: int = 20_000,
        retry_after_seconds: float = 0.25,
    ) -> None:
        self._commit = commit
        self._most_per_batch = most_per_batch
        self._most_waiting = most_waiting
        self._retry_after_seconds = retry_after_seconds
        self._waiting: Drain[tuple[T, asyncio.Future[R]]] = Drain()
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many items wait for their turn."""
        return len(self._waiting)

    def submit(self, item: T) -> asyncio.Future[R]:
        """Queues an item, and returns the future of its result.

        Raises:
            CodedError: OVERLOADED, when too many wait already; nothing was queued then.
        """
        return self.submit_many((item,))[0]

    def submit_many(self, items: Sequence[T]) -> list[asyncio.Future[R]]:
        """Queues items in their order, all or none.

        Raises:
            CodedError: OVERLOADED, when too many wait already; DRAINING, when the committer was closed.
        """
        if self._closed:
            raise unavailable("DRAINING", "the service is draining")
        if len(self._waiting) + len(items) > self._most_waiting:
            raise exhausted("OVERLOADED", "too much is waiting", retry_after_seconds=self._retry_after_seconds)
        create = asyncio.get_running_loop().create_future
        entries: list[tuple[T, asyncio.Future[R]]] = [(item, create()) for item in items]
        self._waiting.put_many(entries)
        return [future for _, future in entries]

    def close(self) -> None:
        """Takes nothing more; `run` ends once what waits is committed."""
        self._closed = True
        self._waiting.close()

    async def run(self) -> None:
        """Commits batch after batch until closed.

        When it is cancelled, those who wait for the commit in hand are told STORE_UNAVAILABLE (nobody knows whether it
        was made), and those whose turn had not come DRAINING.
        """
        try:
            while True:
                await self._commit_batch(await self._waiting.take(self._most_per_batch))
        except DrainClosedError:
            return
        finally:
            self.close()
            for _, future in self._waiting.take_waiting(len(self._waiting)):
                _give_up(future, unavailable("DRAINING", "the service is draining"))

    async def _commit_batch(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._commit([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - every submitter is told, and the next batch may fare better
            for _, future in batch:
                _fail(future, error)
            return
        except BaseException:
            for _, future in batch:
                _give_up(future, unavailable("STORE_UNAVAILABLE", "the service stopped while it was committing"))
            raise
        for (_, future), result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                _fail(future, result)
            elif not future.done():
                future.set_result(result)


def _fail(future: asyncio.Future[R], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _give_up(future: asyncio.Future[R], error: Exception) -> None:
    _fail(future, error)
    if not future.cancelled():
        # The service is ending: nobody may be left to ask, and that is no fault worth a warning.
        future.exception()
