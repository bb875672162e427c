"""MarketDataService: `python -m services.marketdata`."""

from __future__ import annotations

import asyncio
import contextlib

from ordermesh.engine.v1 import instrument_service_pb2_grpc, market_feed_service_pb2_grpc
from services.bus.backoff import Backoff
from services.bus.broadcast import Broadcaster
from services.bus.connection import connect
from services.kernel.errors import CodedError, ErrorKind
from services.marketdata import metrics
from services.marketdata.config import MarketDataSettings
from services.marketdata.domain.seeds import seed_terms
from services.marketdata.metrics import MarketDataMetrics
from services.marketdata.peers.bus import TOPIC, QuotePublisher
from services.marketdata.peers.engine_feed import EngineFeed, FeedOptions
from services.marketdata.peers.engine_past import EnginePast
from services.marketdata.peers.engine_venue import EngineVenue
from services.marketdata.pipeline.auctions import Auctions
from services.marketdata.pipeline.catalogue import Catalogue
from services.marketdata.pipeline.epochs import Epochs
from services.marketdata.pipeline.follower import Follower
from services.marketdata.pipeline.history import History
from services.marketdata.pipeline.hub import Hub
from services.marketdata.pipeline.recorder import Recorder, RecorderOptions
from services.marketdata.pipeline.retry import Retry
from services.marketdata.servicer.broadcasts import Broadcasts
from services.marketdata.servicer.market_data import MarketDataServicer, Parts
from services.marketdata.servicer.wire import register
from services.marketdata.store.history import HistoryTables
from services.marketdata.store.instruments import InstrumentTable
from services.marketdata.store.partitions import Partitions, partitioned_tables
from services.mesh.audit_service import serve_audit_log
from services.mesh.service import Service, run
from services.storage.audit_log import AuditLog, AuditNotes, AuditTrail
from services.storage.database import Database, PoolOptions
from services.storage.migrations import migrate

SCHEMA = "marketdata"
ENGINE_SERVICES = ("ordermesh.engine.v1.InstrumentService", "ordermesh.engine.v1.MarketFeedService")
PARTITION_SECONDS = 3600.0
FINAL_FLUSH_SECONDS = 3.0


async def main(service: Service[MarketDataSettings]) -> None:
    """Wires the service; returns when the instruments are listed and every market was told by the feed."""
    settings = service.settings
    url = settings.postgres_url.get_secret_value()
    await migrate(url, SCHEMA)
    database = await service.enter(Database(url, SCHEMA, PoolOptions(size=settings.postgres_pool_size)))
    partitions = Partitions(
        database,
        partitioned_tables(
            settings.keep_trade_days, settings.keep_second_candle_days, settings.keep_minute_candle_days
        ),
        service.clock,
    )
    await partitions.keep()
    store = HistoryTables(database, partitions)
    epochs = Epochs(await store.epochs())
    retry = Retry(Backoff, asyncio.sleep)

    engine = service.channels.to(settings.engine_address, *ENGINE_SERVICES)
    feed_stub = market_feed_service_pb2_grpc.MarketFeedServiceStub(engine)
    recorder = Recorder(
        store,
        EnginePast(feed_stub, epochs),
        epochs,
        retry,
        RecorderOptions(most_waiting=settings.most_waiting_trades, flush_seconds=settings.flush_seconds),
    )
    hub = Hub(recorder, asyncio.get_running_loop().call_soon)
    recorder.attach(hub)
    follower = Follower(hub, recorder, store)
    venue = EngineVenue(instrument_service_pb2_grpc.InstrumentServiceStub(engine))
    trail = AuditTrail(settings.service, service.clock, service.identifiers)
    instruments, notes = InstrumentTable(database, trail), AuditNotes(database, trail)
    catalogue = Catalogue(instruments, venue, service.clock, seed_terms(), follower.follow, notes)
    feed = EngineFeed(
        feed_stub,
        hub,
        epochs,
        catalogue.list_all,
        Backoff(),
        FeedOptions(settings.feed_heartbeat_milliseconds, settings.feed_silence_seconds),
    )
    follower.attach(feed.resubscribe)
    broadcasts = Broadcasts(hub, epochs, settings.most_waiting_trades_per_reader)
    await catalogue.load()
    broadcasts.begin(hub)
    auctions = Auctions(hub, venue, lambda: asyncio.sleep(settings.auction_interval_seconds))
    hub.listen(auctions.turn)

    redis = await service.enter(connect(settings.redis_url.get_secret_value()))
    bus = Broadcaster(redis, TOPIC, clock=service.clock, least_interval_seconds=settings.publish_interval_seconds)
    hub.listen(QuotePublisher(bus, broadcasts.quotes.newest, service.clock).turn)
    _measure(service, hub, feed, recorder)

    service.on_close(lambda: _last_flush(recorder))
    _ = service.spawn("feed", feed.run())
    _ = service.spawn("recorder", recorder.run())
    _ = service.spawn("recovery", recorder.run_recovery())
    _ = service.spawn("partitions", _keep_partitions(service, partitions))
    _ = service.spawn("auctions", auctions.run())
    _ = service.spawn("bus", bus.run())
    await hub.all_told()
    parts = Parts(catalogue, hub, History(store, recorder), epochs, broadcasts, service.draining, service.clock)
    service.server.add(register, MarketDataServicer(parts))
    serve_audit_log(service.server, AuditLog(database))
    service.record_refusals(notes)


async def _keep_partitions(service: Service[MarketDataSettings], partitions: Partitions) -> None:
    while True:
        await asyncio.sleep(PARTITION_SECONDS)
        try:
            await partitions.keep()
        except CodedError as error:
            # Writing makes what it needs by itself; tidying up can wait for the next hour.
            if error.kind is not ErrorKind.UNAVAILABLE:
                raise
            service.log.warning("partitions were not looked after", error=str(error))


async def _last_flush(recorder: Recorder) -> None:
    """Stores what waits, if the store is there; else it is recovered from the feed at the next start."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(recorder.flush(), FINAL_FLUSH_SECONDS)


def _measure(service: Service[MarketDataSettings], hub: Hub, feed: EngineFeed, recorder: Recorder) -> None:
    MarketDataMetrics(
        service.telemetry.registry,
        {
            metrics.FEED_CONNECTED: lambda: float(hub.connected),
            metrics.FEED_AGE_SECONDS: feed.age_seconds,
            metrics.FEED_EVENTS: lambda: feed.events,
            metrics.FEED_CONNECTIONS: lambda: feed.connections,
            metrics.FEED_GAPS: lambda: feed.gaps,
            metrics.HISTORY_WAITING: lambda: recorder.waiting,
            metrics.HISTORY_STORED: lambda: recorder.counts.stored,
            metrics.HISTORY_RECOVERED: lambda: recorder.counts.recovered,
            metrics.HISTORY_GAPS: lambda: recorder.counts.gaps,
            metrics.HISTORY_FAILURES: lambda: recorder.counts.failures,
        },
    )


if __name__ == "__main__":
    run(MarketDataSettings, main)
