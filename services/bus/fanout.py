"""Conflating fan-out: each reader gets the newest state per key, and how many states it did not get to see.

A publisher encodes a value once; what readers take are references to it. Publishing costs one dictionary write per
reader of the key, and a reader that does not read costs no more than that: it holds one value per key, whatever comes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from services.kernel.drain import Wakeup

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Latest(NamedTuple, Generic[K, V]):
    """The newest value of a key.

    Attributes:
        key: What it is the state of.
        value: The state.
        folded: How many states between the last one taken and this one were skipped.
    """

    key: K
    value: V
    folded: int


@dataclass(slots=True)
class _Pending(Generic[V]):
    """The newest value of a key, and how many states were folded into it."""

    value: V
    folded: int = 0


class Reader(Generic[K, V]):
    """One reader's newest values. One task takes; publishers write at any time."""

    __slots__ = ("_fanout", "_pending", "_wakeup", "keys")

    def __init__(self, fanout: Fanout[K, V], keys: frozenset[K] | None) -> None:
        """Makes it, of some keys or of all; `Fanout.subscribe` does."""
        self.keys = keys
        self._fanout = fanout
        # In the order in which keys first changed.
        self._pending: dict[K, _Pending[V]] = {}
        self._wakeup = Wakeup()

    def wake(self) -> None:
        """Makes the reader look around, though nothing has come."""
        self._wakeup.call()

    async def wait(self, timeout_seconds: float | None = None) -> bool:
        """Waits for a change; returns False when none came in that time."""
        return bool(self._pending) or await self._wakeup.wait(timeout_seconds)

    def take(self) -> list[Latest[K, V]]:
        """Returns the newest value of every key that changed since the last time, without waiting."""
        pending, self._pending = self._pending, {}
        return [Latest(key, entry.value, entry.folded) for key, entry in pending.items()]

    def close(self) -> None:
        """Ends the reading."""
        self._fanout.remove(self)

    def offer(self, key: K, value: V) -> None:
        """Makes a value the newest of its key for this reader; what its fan-out calls."""
        entry = self._pending.get(key)
        if entry is None:
            self._pending[key] = _Pending(value)
            self._wakeup.call()
        else:
            entry.value = value
            entry.folded += 1


class Fanout(Generic[K, V]):
    """Hands each value to the readers of its key, and keeps the newest for those that come later."""

    def __init__(self) -> None:
        self._newest: dict[K, V] = {}
        self._readers: dict[K, set[Reader[K, V]]] = {}
        self._of_all: set[Reader[K, V]] = set()

    def publish(self, key: K, value: V) -> None:
        """Makes a value the newest of its key. Values are shared by all readers: nobody may change them."""
        self._newest[key] = value
        for reader in self._readers.get(key, ()):
            reader.offer(key, value)
        for reader in self._of_all:
            reader.offer(key, value)

    def newest(self, key: K) -> V | None:
        """Returns the newest value of a key, None when there is none yet."""
        return self._newest.get(key)

    def subscribe(self, keys: Iterable[K] | None = None) -> Reader[K, V]:
        """Returns a reader of some keys, or of all; the newest values there are wait in it already."""
        wanted = None if keys is None else frozenset(keys)
        reader = Reader(self, wanted)
        for key in self._newest if wanted is None else wanted:
            if key in self._newest:
                reader.offer(key, self._newest[key])
        if wanted is None:
            self._of_all.add(reader)
        else:
            for key in wanted:
                self._readers.setdefault(key, set()).add(reader)
        return reader

    def remove(self, reader: Reader[K, V]) -> None:
        """Hands nothing more to a reader, which may have been removed before."""
        self._of_all.discard(reader)
        for key in reader.keys or ():
            readers = self._readers.get(key)
            if readers is not None:
                readers.discard(reader)
                if not readers:
                    del self._readers[key]
