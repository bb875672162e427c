"""Order book streams: one series of states per instrument and depth, however many readers there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from ordermesh.marketdata.v1 import book_access_pb2, book_pb2
from services.bus.fanout import Fanout, Latest, Reader
from services.marketdata.domain.book import view_changes
from services.marketdata.domain.market import Market
from services.marketdata.pipeline.hub import Turn
from services.marketdata.servicer.conflated import Subscription, chunks
from services.marketdata.servicer.render import BookState, book_change_message, book_message
from services.marketdata.servicer.wire import SharedEncoding, Wire

Response = book_access_pb2.StreamOrderBookResponse


class SharedBook:
    """A state of a book that many readers get, and what leads to it from the state before; nobody changes it."""

    __slots__ = ("change", "state")

    def __init__(self, state: BookState, before: BookState | None) -> None:
        self.state = state
        if before is None or before.epoch != state.epoch:
            self.change = book_change_message(state, state.view, None)
        else:
            self.change = book_change_message(state, view_changes(before.view, state.view), before.sequence)

    def whole(self, folded: int) -> book_pb2.OrderBookChange:
        """Returns the state as a change that replaces whatever the reader has."""
        return book_change_message(self.state, self.state.view, None, folded)


class DepthGroup:
    """The readers of one depth."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._fanout: Fanout[str, SharedBook] = Fanout()
        self._shared: SharedEncoding[SharedBook] = SharedEncoding(_encode)
        self._readers_of: Counter[str] = Counter()

    def turn(self, markets: Iterable[Market], epoch: str) -> None:
        """Publishes the books that changed and that somebody reads."""
        self._shared.forget()
        for market in markets:
            if self._readers_of[market.name]:
                self._publish(market, epoch)

    def subscribe(self, markets: Sequence[Market], epoch: str) -> Reader[str, SharedBook]:
        """Returns a reader; the books as they are now wait in it."""
        for market in markets:
            # Nobody kept this state up to date while nobody read it.
            if market.told and not self._readers_of[market.name]:
                self._fanout.publish(market.name, SharedBook(BookState.of(market, self._depth, epoch), None))
        names = [market.name for market in markets]
        self._readers_of.update(names)
        return self._fanout.subscribe(names)

    def unsubscribe(self, names: Iterable[str]) -> bool:
        """Is told that a reader of these instruments has left; returns whether others are left."""
        self._readers_of.subtract(names)
        self._readers_of = +self._readers_of
        return bool(self._readers_of)

    def update(self, latest: Sequence[Latest[str, SharedBook]]) -> Wire:
        """Returns the message of books that changed; readers in step share its bytes."""
        if len(latest) == 1 and not latest[0].folded:
            return self._shared.bytes_of_one(latest[0].value)
        return self._shared.bytes_of([(entry.value, entry.folded) for entry in latest])

    def _publish(self, market: Market, epoch: str) -> None:
        known = self._fanout.newest(market.name)
        before = known.state if known is not None else None
        state = BookState.of(market, self._depth, epoch)
        if before is None or _differs(before, state):
            self._fanout.publish(market.name, SharedBook(state, before))


class BookBroadcast:
    """Hands every change of a book to its readers."""

    def __init__(self, epoch: Callable[[], str]) -> None:
        self._epoch = epoch
        self._groups: dict[int, DepthGroup] = {}

    def turn(self, turn: Turn) -> None:
        """Publishes the books of a turn."""
        for group in self._groups.values():
            group.turn(turn.books, self._epoch())

    def subscribe(self, markets: Iterable[Market], depth: int) -> Subscription[Latest[str, SharedBook]]:
        """Returns a reader of some books to a depth."""
        group = self._groups.setdefault(depth, DepthGroup(depth))
        unique = list({market.name: market for market in markets}.values())
        reader = group.subscribe(unique, self._epoch())
        reading = BookReading(reader, lambda: self._left(depth, group, [market.name for market in unique]))
        return Subscription(reading, list(_snapshot(reader.take())), group.update)

    def _left(self, depth: int, group: DepthGroup, names: list[str]) -> None:
        if not group.unsubscribe(names) and self._groups.get(depth) is group:
            del self._groups[depth]


class BookReading:
    """One reader of books."""

    __slots__ = ("_left", "_reader", "take", "wait", "wake")

    def __init__(self, reader: Reader[str, SharedBook], left: Callable[[], None]) -> None:
        self._reader, self._left = reader, left
        self.take, self.wait, self.wake = reader.take, reader.wait, reader.wake

    def close(self) -> None:
        """Ends the reading."""
        self._reader.close()
        self._left()


def _snapshot(latest: Sequence[Latest[str, SharedBook]]) -> Iterator[tuple[int, Wire]]:
    for part in chunks(latest):
        books = [book_message(entry.value.state) for entry in part]
        yield len(books), Response(snapshot=book_access_pb2.OrderBookSnapshot(books=books))


def _encode(states: Sequence[tuple[SharedBook, int]]) -> Response:
    changes = [shared.whole(count) if count else shared.change for shared, count in states]
    return Response(update=book_access_pb2.OrderBookUpdate(changes=changes))


def _differs(one: BookState, other: BookState) -> bool:
    return one.view != other.view or one.stale != other.stale or one.epoch != other.epoch
