"""OrderService: wires its parts, and runs."""

from __future__ import annotations

from services.kernel.identifiers import UuidV7
from services.mesh.service import Service, run
from services.order.config import OrderSettings
from services.order.pipeline.book import Book
from services.order.pipeline.leases import Leases
from services.order.pipeline.sharding import Shards
from services.order.servicer.streams import OrderStreams
from services.order.store.leases import PostgresLeases
from services.order.store.log import OrderLog
from services.order.store.postgres import PostgresStore
from services.order.store.shards import enter
from services.order.store.starting import start
from services.order.wiring.around import around_of, tell_all
from services.order.wiring.core import core_of
from services.order.wiring.doors import serve_logs, serve_orders
from services.order.wiring.entry import entry_of
from services.order.wiring.working import hold, work
from services.storage.database import Database, PoolOptions
from services.storage.migrations import migrate

SCHEMA = "orders"


async def main(service: Service[OrderSettings]) -> None:
    """Wires OrderService."""
    settings = service.settings
    url = settings.postgres_url.get_secret_value()
    await migrate(url, settings.service, schema=SCHEMA)
    database = await service.enter(Database(url, SCHEMA, PoolOptions(size=settings.postgres_pool_size)))
    shards = Shards(settings.shard, settings.shard_count)
    await enter(database, shards)
    log = OrderLog(database, settings.shard, commit_seconds=settings.commit_timeout_seconds)
    service.on_close(log.close)
    book, environments = Book(settings.shard, most_remembered=settings.most_remembered_orders), dict[str, int]()
    store = PostgresStore(database, log, book)
    await start(store, settings.start_timeout_seconds)
    # A clock that was set back while no process ran would put new orders among those of before.
    identifiers = UuidV7(service.clock, after_ns=book.at_ns)

    core = core_of(service, database, book, store, identifiers)
    around = around_of(core, environments)
    streams = OrderStreams(
        book, core.history, service.clock, service.draining, most_waiting=settings.most_waiting_per_stream
    )
    relay = tell_all(core, around, streams)
    entry = entry_of(core, around)
    previewing = work(core, around, entry)
    leases = Leases(entry.orders, PostgresLeases(database, settings.shard))
    await leases.start()
    hold(core, around)

    for name, coroutine in (
        ("writer", core.writer.run()),
        ("placing", entry.placing.run()),
        ("replacing", entry.replacing.run()),
        ("risk", around.risk.run()),
        ("broker", around.broker.run()),
        ("instruments", around.instruments.run()),
        ("quotes", around.quotes.run()),
        ("relay", relay.run()),
        ("reconciliations", around.reconciliations.run()),
        ("leases", leases.run()),
    ):
        service.spawn(name, coroutine)
    serve_orders(core, around, entry, shards, streams=streams, leases=leases, previewing=previewing)
    serve_logs(core, shards)


if __name__ == "__main__":
    run(OrderSettings, main)
