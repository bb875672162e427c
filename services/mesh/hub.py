"""Hands committed events to the readers of private streams, each with a bounded queue of its own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from services.kernel.drain import Wakeup

MOST_PER_UPDATE: Final = 500


class Sequenced(Protocol):
    """Something that happened, with its place in the log."""

    @property
    def sequence(self) -> int:
        """Its place in the log."""
        ...


E_ = TypeVar("E_", bound=Sequenced)


class Subscription(Generic[E_]):
    """What waits for one reader. It is bounded: a reader that falls too far behind loses its subscription."""

    __slots__ = ("_accepts", "_hub", "_items", "_limit", "_wakeup", "key", "overflowed")

    def __init__(
        self, hub: Hub[E_], accepts: Callable[[E_], bool] | None, limit: int, key: Hashable | None = None
    ) -> None:
        self._hub, self._limit, self._accepts, self.key = hub, limit, accepts, key
        self._items: list[E_] = []
        self._wakeup = Wakeup()
        self.overflowed = False

    def offer(self, items: Sequence[E_]) -> None:
        """Adds what this reader asked for."""
        accepts = self._accepts
        wanted = items if accepts is None else [item for item in items if accepts(item)]
        if not wanted or self.overflowed:
            return
        if len(self._items) + len(wanted) > self._limit:
            self.overflowed = True
        else:
            self._items.extend(wanted)
        self._wakeup.call()

    def wake(self) -> None:
        """Makes the reader look around, though nothing has come."""
        self._wakeup.call()

    async def wait(self, timeout_seconds: float) -> bool:
        """Waits for something to happen; returns False when nothing did in that time."""
        return bool(self._items) or await self._wakeup.wait(timeout_seconds)

    def take(self, most: int = MOST_PER_UPDATE) -> list[E_]:
        """Returns what waits, up to a number."""
        taken, self._items = self._items[:most], self._items[most:]
        return taken

    def close(self) -> None:
        """Ends the subscription."""
        self._hub.remove(self)


class Hub(Generic[E_]):
    """Hands committed events to all subscriptions; remembers the last sequence.

    With a `key`, such as the account of an event, a subscription to one key costs nothing while others' events pass.
    """

    def __init__(
        self, last_sequence: int = 0, *, limit: int = 10_000, key: Callable[[E_], Hashable] | None = None
    ) -> None:
        self.last_sequence = last_sequence
        self._limit = limit
        self._key = key
        self._of_all: set[Subscription[E_]] = set()
        self._of_key: dict[Hashable, set[Subscription[E_]]] = {}

    def __len__(self) -> int:
        return len(self._of_all) + sum(map(len, self._of_key.values()))

    def subscribe(self, accepts: Callable[[E_], bool] | None = None, key: Hashable | None = None) -> Subscription[E_]:
        """Returns a subscription to all events from now on, of one key if one is given, that the reader accepts."""
        subscription = Subscription(self, accepts, self._limit, key)
        (self._of_all if key is None else self._of_key.setdefault(key, set())).add(subscription)
        return subscription

    def remove(self, subscription: Subscription[E_]) -> None:
        """Ends a subscription."""
        self._of_all.discard(subscription)
        if (same_key := self._of_key.get(subscription.key)) is not None:
            same_key.discard(subscription)
            if not same_key:
                del self._of_key[subscription.key]

    def publish(self, events: Sequence[E_]) -> None:
        """Hands committed events on, in the order of their sequence."""
        if not events:
            return
        self.last_sequence = max(self.last_sequence, events[-1].sequence)
        for subscription in self._of_all:
            subscription.offer(events)
        if self._of_key and self._key is not None:
            self._publish_by_key(events, self._key)

    def _publish_by_key(self, events: Sequence[E_], key_of: Callable[[E_], Hashable]) -> None:
        wanted: dict[Hashable, list[E_]] = {}
        for event in events:
            key = key_of(event)
            if key in self._of_key:
                wanted.setdefault(key, []).append(event)
        for key, its_events in wanted.items():
            for subscription in self._of_key[key]:
                subscription.offer(its_events)
