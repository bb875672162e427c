"""Quote streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ordermesh.marketdata.v1 import market_data_service_pb2, quote_pb2
from services.bus.fanout import Fanout, Latest
from services.marketdata.pipeline.hub import Turn
from services.marketdata.servicer.conflated import Subscription, chunks
from services.marketdata.servicer.render import quote_message
from services.marketdata.servicer.wire import SharedEncoding, Wire

Response = market_data_service_pb2.StreamQuotesResponse


class SharedQuote:
    """A quote that many readers get; nobody changes it."""

    __slots__ = ("message",)

    def __init__(self, message: quote_pb2.Quote) -> None:
        self.message = message


class QuoteBroadcast:
    """Hands every new quote to its readers."""

    def __init__(self) -> None:
        self._fanout: Fanout[str, SharedQuote] = Fanout()
        self._shared: SharedEncoding[SharedQuote] = SharedEncoding(_encode)

    def turn(self, turn: Turn) -> None:
        """Publishes the quotes of a turn."""
        if turn.quotes:
            self._shared.forget()
        for market in turn.quotes:
            self._fanout.publish(market.name, SharedQuote(quote_message(market)))

    def subscribe(self, names: Iterable[str] | None) -> Subscription[Latest[str, SharedQuote]]:
        """Returns a reader of some instruments, or of all."""
        reader = self._fanout.subscribe(names)
        return Subscription(reader, list(_snapshot(reader.take())), self._update)

    def newest(self, name: str) -> quote_pb2.Quote | None:
        """Returns the newest quote that was published."""
        shared = self._fanout.newest(name)
        return shared.message if shared is not None else None

    def _update(self, latest: Sequence[Latest[str, SharedQuote]]) -> Wire:
        if len(latest) == 1 and not latest[0].folded:
            return self._shared.bytes_of_one(latest[0].value)
        return self._shared.bytes_of([(entry.value, entry.folded) for entry in latest])


def _snapshot(latest: Sequence[Latest[str, SharedQuote]]) -> Iterator[tuple[int, Wire]]:
    for part in chunks(latest):
        quotes = [entry.value.message for entry in part]
        yield len(quotes), Response(snapshot=market_data_service_pb2.QuoteSnapshot(quotes=quotes))


def _encode(states: Sequence[tuple[SharedQuote, int]]) -> Response:
    quotes = [_folded(shared.message, count) for shared, count in states]
    return Response(update=market_data_service_pb2.QuoteUpdate(quotes=quotes))


def _folded(message: quote_pb2.Quote, count: int) -> quote_pb2.Quote:
    if not count:
        return message
    quote = quote_pb2.Quote()
    quote.CopyFrom(message)
    quote.folded = count
    return quote
