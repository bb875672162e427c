"""Cancel-on-disconnect: the live orders of an account are canceled when its client is gone and stays away."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Collection, Mapping
from typing import Protocol

import structlog

from services.kernel.drain import Wakeup
from services.kernel.errors import CodedError
from services.order.pipeline.work import CancelFilter

_log = structlog.stdlib.get_logger(__name__)


class LeaseRecord(Protocol):
    """What of the leases survives the process. Each method raises STORE_UNAVAILABLE."""

    async def load(self) -> Mapping[str, float]:
        """Returns the grace in seconds of every account that has a lease."""
        ...

    async def save(self, account_id: str, grace_seconds: float) -> None:
        """Puts a lease on record, or its new grace."""
        ...

    async def remove(self, account_id: str) -> None:
        """Takes a lease off the record."""
        ...


class MassCancel(Protocol):
    """Cancels orders."""

    async def cancel_all(self, wanted: CancelFilter) -> list[str]:
        """Asks for the cancel of live orders of an account.

        Raises:
            CodedError: STORE_UNAVAILABLE or OVERLOADED.
        """
        ...


class Hold:
    """One stream's hold on the lease of its account."""

    __slots__ = ("account_id", "ended")

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self.ended = False


class _Lease:
    """The lease of an account: held by its streams, or running out."""

    __slots__ = ("expires_at", "grace_seconds", "recorded", "streams", "unfinished")

    def __init__(self, grace_seconds: float, *, recorded: bool) -> None:
        self.grace_seconds = grace_seconds
        self.recorded = recorded
        self.streams = 0
        self.expires_at: float | None = None
        self.unfinished: set[asyncio.Task[None]] = set()


class Leases:
    """Leases by account. One changes at a time; `run` is the task that carries out what has run out."""

    def __init__(self, orders: MassCancel, record: LeaseRecord, *, retry_seconds: float = 0.5) -> None:
        self._orders, self._record, self._retry_seconds = orders, record, retry_seconds
        self._leases: dict[str, _Lease] = {}
        self._looks: list[tuple[float, str]] = []
        self._changing = asyncio.Lock()
        self._wakeup = Wakeup()

    def __len__(self) -> int:
        return len(self._leases)

    async def start(self) -> None:
        """Lets every lease on record run out from now on: its streams ended with the process before.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        for account_id, grace_seconds in (await self._record.load()).items():
            lease = self._leases[account_id] = _Lease(grace_seconds, recorded=True)
            self._run_out(account_id, lease, grace_seconds)

    async def open(self, account_id: str, grace_seconds: float) -> Hold:
        """Holds the lease of an account for a stream, which makes it, or keeps it from running out.

        Raises:
            CodedError: STORE_UNAVAILABLE; the stream counts as lost then.
        """
        hold = Hold(account_id)
        async with self._changing:
            lease = self._leases.setdefault(account_id, _Lease(grace_seconds, recorded=False))
            lease.streams += 1
            lease.grace_seconds, lease.expires_at = grace_seconds, None
            try:
                await self._save(account_id, lease)
            except BaseException:
                self.lost(hold)
                raise
        return hold

    async def close(self, hold: Hold) -> None:
        """Lets go of a lease in order; it ends with the last of its streams.

        Raises:
            CodedError: STORE_UNAVAILABLE; the stream still holds the lease then.
        """
        async with self._changing:
            lease = self._leases[hold.account_id]
            if lease.streams == 1:
                lease.recorded = False
                await self._record.remove(hold.account_id)
                del self._leases[hold.account_id]
            lease.streams -= 1
            hold.ended = True

    def lost(self, hold: Hold, unfinished: Collection[asyncio.Task[None]] = ()) -> None:
        """Notes that a stream has ended, which means nothing when it was closed before.

        Args:
            hold: What the stream held.
            unfinished: Tasks of it that may still place orders.
        """
        if hold.ended:
            return
        hold.ended = True
        lease = self._leases[hold.account_id]
        lease.streams -= 1
        lease.unfinished |= set(unfinished)
        if not lease.streams:
            self._run_out(hold.account_id, lease, lease.grace_seconds)
            if not lease.recorded:
                self._look_in(hold.account_id, 0)

    async def run(self) -> None:
        """Carries out what has run out, for ever."""
        while True:
            now = asyncio.get_running_loop().time()
            while self._looks and self._looks[0][0] <= now:
                at, account_id = heapq.heappop(self._looks)
                await self._look(account_id, at)
            await self._wakeup.wait(self._looks[0][0] - now if self._looks else None)

    def _run_out(self, account_id: str, lease: _Lease, seconds: float) -> None:
        lease.expires_at = self._look_in(account_id, seconds)

    def _look_in(self, account_id: str, seconds: float) -> float:
        at = asyncio.get_running_loop().time() + seconds
        heapq.heappush(self._looks, (at, account_id))
        self._wakeup.call()
        return at

    async def _look(self, account_id: str, at: float) -> None:
        """Does what is to be done for a lease at a time that it has asked for, which may be in the past."""
        lease = self._leases.get(account_id)
        if lease is None or lease.expires_at is None:
            return
        if lease.expires_at > at:
            # It was changed, or lost its streams while the store was away.
            await self._record_again(account_id, lease)
            return
        unfinished, lease.unfinished = lease.unfinished, set()
        if unfinished:
            # Orders of the stream that are still on their way in; what is committed after the cancel would stay.
            await asyncio.wait(unfinished)
        async with self._changing:
            # It may have been opened meanwhile.
            if lease.expires_at == at:
                await self._cancel(account_id, lease)

    async def _record_again(self, account_id: str, lease: _Lease) -> None:
        async with self._changing:
            if lease.recorded or lease.expires_at is None:
                return
            try:
                await self._save(account_id, lease)
            except CodedError:
                self._look_in(account_id, self._retry_seconds)

    async def _cancel(self, account_id: str, lease: _Lease) -> None:
        try:
            order_ids = await self._orders.cancel_all(CancelFilter(account_id))
            await self._record.remove(account_id)
        except CodedError as error:
            _log.warning("orders of a client that is gone cannot be canceled now", account=account_id, error=str(error))
            self._run_out(account_id, lease, self._retry_seconds)
        else:
            del self._leases[account_id]
            _log.info("orders of a client that is gone were canceled", account=account_id, orders=len(order_ids))

    async def _save(self, account_id: str, lease: _Lease) -> None:
        await self._record.save(account_id, lease.grace_seconds)
        lease.recorded = True
