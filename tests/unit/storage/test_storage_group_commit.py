"""Group commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from services.kernel.errors import CodedError, ErrorKind
from services.storage.group_commit import GroupCommitter


class Store:
    """Commits when told, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None

    async def commit(self, batch: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(batch))
        await self.open.wait()
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        return [ValueError(f"{item}") if item < 0 else item * 10 for item in batch]


async def test_alone_an_item_is_committed_at_once() -> None:
    """Nobody waits for a batch to fill."""
    store = Store()
    committer = GroupCommitter(store.commit)
    running = asyncio.create_task(committer.run())
    assert await committer.submit(1) == 10
    assert await committer.submit(2) == 20
    assert store.batches == [[1], [2]]
    committer.close()
    await running


async def test_what_piles_up_during_a_commit_goes_into_the_next_one() -> None:
    """Everything that waits is one batch, up to the bound."""
    store = Store()
    store.open.clear()
    committer = GroupCommitter(store.commit, most_per_batch=3)
    running = asyncio.create_task(committer.run())
    first = committer.submit(1)
    await asyncio.sleep(0)
    rest = committer.submit_many([2, 3, 4, 5])
    assert committer.waiting == 4
    store.open.set()
    assert await asyncio.gather(first, *rest) == [10, 20, 30, 40, 50]
    assert store.batches == [[1], [2, 3, 4], [5]]
    committer.close()
    await running


async def test_one_items_failure_is_its_own() -> None:
    """A result that is an exception is raised at its submitter alone."""
    committer = GroupCommitter(Store().commit)
    running = asyncio.create_task(committer.run())
    results = await asyncio.gather(*committer.submit_many([1, -2, 3]), return_exceptions=True)
    assert results[0] == 10
    assert isinstance(results[1], ValueError)
    assert results[2] == 30
    committer.close()
    await running


async def test_a_failed_commit_fails_its_batch_and_the_next_one_fares_on_its_own() -> None:
    """The committer survives a store that fails."""
    store = Store()
    store.failure = OSError("disk")
    committer = GroupCommitter(store.commit)
    running = asyncio.create_task(committer.run())
    failed = await asyncio.gather(*committer.submit_many([1, 2]), return_exceptions=True)
    assert [type(result) for result in failed] == [OSError, OSError]
    assert await committer.submit(3) == 30
    committer.close()
    await running


async def test_a_full_queue_refuses_all_of_a_request() -> None:
    """OVERLOADED comes with the time to try again; none of the request was queued."""
    store = Store()
    committer = GroupCommitter(store.commit, most_waiting=3, retry_after_seconds=0.5)
    committer.submit_many([1, 2])
    with pytest.raises(CodedError) as caught:
        committer.submit_many([3, 4])
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.EXHAUSTED, "OVERLOADED")
    assert caught.value.retry_after_seconds == 0.5
    assert committer.waiting == 2


async def test_closing_commits_what_waits_and_takes_nothing_more() -> None:
    """Nothing that was taken is lost."""
    store = Store()
    committer = GroupCommitter(store.commit)
    waiting = committer.submit_many([1, 2])
    committer.close()
    await committer.run()
    assert await asyncio.gather(*waiting) == [10, 20]
    with pytest.raises(CodedError, match="DRAINING"):
        committer.submit(3)


async def test_a_submitter_who_leaves_disturbs_nobody() -> None:
    """Its item is committed all the same; the others get their results."""
    store = Store()
    store.open.clear()
    committer = GroupCommitter(store.commit)
    running = asyncio.create_task(committer.run())
    one, two = committer.submit_many([1, 2])
    await asyncio.sleep(0)
    one.cancel()
    store.open.set()
    assert await two == 20
    assert store.batches == [[1, 2]]
    committer.close()
    await running


async def test_a_committer_that_is_stopped_leaves_nobody_waiting() -> None:
    """Those of the commit in hand learn that its outcome is unknown, those behind it that the service is draining."""
    store = Store()
    store.open.clear()
    committer = GroupCommitter(store.commit)
    running = asyncio.create_task(committer.run())
    waiting = committer.submit(1)
    queued = committer.submit(2)
    await asyncio.sleep(0)
    later = committer.submit(3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    for future, reason in ((waiting, "STORE_UNAVAILABLE"), (queued, "STORE_UNAVAILABLE"), (later, "DRAINING")):
        with pytest.raises(CodedError, match=reason):
            await future
    with pytest.raises(CodedError, match="DRAINING"):
        committer.submit(4)
