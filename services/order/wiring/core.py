"""What every part of OrderService stands on."""

from __future__ import annotations

from dataclasses import dataclass

from services.kernel.clock import Clock
from services.kernel.identifiers import UuidV7
from services.mesh.client import Channel
from services.mesh.service import Service
from services.order.config import OrderSettings
from services.order.pipeline.book import Book
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.writer import Writer
from services.order.store.history import History
from services.order.store.postgres import PostgresStore
from services.storage.database import Database


@dataclass(frozen=True, slots=True)
class Core:
    """What every part stands on: committed state in memory and in the store, and the writer between them."""

    service: Service[OrderSettings]
    database: Database
    book: Book
    store: PostgresStore
    history: History
    writer: Writer
    identifiers: UuidV7
    metrics: Metrics

    @property
    def settings(self) -> OrderSettings:
        """The settings."""
        return self.service.settings

    @property
    def clock(self) -> Clock:
        """The clock."""
        return self.service.clock

    @property
    def market_data(self) -> Channel:
        """A channel to MarketDataService."""
        return self.service.channels.to(self.settings.marketdata_address)


def core_of(
    service: Service[OrderSettings], database: Database, book: Book, store: PostgresStore, identifiers: UuidV7
) -> Core:
    """Makes the writer of a book that is loaded, and what goes with it."""
    settings, metrics = service.settings, Metrics(service.telemetry.registry)
    writer = Writer(
        book,
        store,
        service.clock,
        identifiers,
        metrics,
        most_per_batch=settings.most_events_per_commit,
        most_waiting=settings.most_waiting_orders,
    )
    metrics.live.set_function(lambda: len(book.live))
    return Core(service, database, book, store, History(database, settings.shard), writer, identifiers, metrics)
