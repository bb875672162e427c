"""Wires PortfolioService."""

from __future__ import annotations

from redis.asyncio import Redis

from ordermesh.event.v1 import event_log_service_pb2_grpc
from ordermesh.portfolio.v1 import portfolio_service_pb2_grpc
from services.bus.backoff import Backoff
from services.bus.broadcast import Broadcaster
from services.bus.connection import connect
from services.bus.relay import Relay, RelayOptions
from services.kernel.drain import Pace
from services.mesh.access.accounts import AccountAccess
from services.mesh.audit_service import serve_audit_log
from services.mesh.service import Service, run
from services.mesh.streams import Hub
from services.portfolio import metrics
from services.portfolio.codec import appraisal_to_event
from services.portfolio.config import PortfolioSettings
from services.portfolio.domain.account import demo_account
from services.portfolio.peers import market_data, open_orders, order_log
from services.portfolio.pipeline.announcer import StreamsAndBus
from services.portfolio.pipeline.bookkeeper import Bookkeeper
from services.portfolio.pipeline.books import Books
from services.portfolio.pipeline.cash import Cash
from services.portfolio.pipeline.ledger import Ledger
from services.portfolio.pipeline.portfolios import Portfolios
from services.portfolio.pipeline.ports import LoggedChange
from services.portfolio.pipeline.prices import PriceBoard
from services.portfolio.pipeline.publisher import ValuePublisher
from services.portfolio.pipeline.valuer import Valuer
from services.portfolio.servicer.access import KnownEnvironments, account_interceptor
from services.portfolio.servicer.desk import Desk
from services.portfolio.servicer.service import PortfolioServicer, PositionLogServicer
from services.portfolio.store.bookings import CHANGES
from services.portfolio.store.changes import ChangeLog, published
from services.portfolio.store.portfolio_store import PortfolioStore
from services.storage.audit_log import AuditLog, AuditNotes, AuditTrail
from services.storage.database import KEYED, Database, PoolOptions
from services.storage.migrations import migrate

SCHEMA = "portfolio"
VALUES = "portfolio.updated"


async def main(service: Service[PortfolioSettings]) -> None:
    """Loads the books, then follows the order log and prices, and answers."""
    settings = service.settings
    url = settings.postgres_url.get_secret_value()
    await migrate(url, SCHEMA)
    database = await service.enter(Database(url, SCHEMA, PoolOptions(size=settings.postgres_pool_size)))
    bookings = await service.enter(Database(url, SCHEMA, PoolOptions(size=1, settings=KEYED)))
    redis = connect(settings.redis_url.get_secret_value())
    service.on_close(redis.aclose)

    trail = AuditTrail(settings.service, service.clock, service.identifiers)
    ledger, board, store, log = (
        Ledger(len(settings.order_logs)),
        PriceBoard(),
        PortfolioStore(database, bookings, trail),
        ChangeLog(database),
    )
    hub: Hub[LoggedChange] = Hub()
    relay = Relay(redis, log, [CHANGES], options=RelayOptions(interval_seconds=settings.relay_interval_seconds))
    announcer = StreamsAndBus(hub, lambda changes: relay.publish(published(changes)))
    books = Books(ledger, store, announcer, service.clock, service.identifiers)
    await books.settle()
    hub.last_sequence = ledger.sequence
    if settings.seed_demo_account and demo_account().account_id not in ledger.accounts:
        await books.open_account(demo_account())

    channel = service.channels.to(settings.marketdata_address, market_data.SERVICE)
    instruments = market_data.MarketDataInstruments(channel)
    bookkeepers = [
        Bookkeeper(
            books,
            store,
            fills,
            instruments,
            service.clock,
            backoff=Backoff(),
            pace=Pace(settings.booking_interval_seconds),
            shard=shard,
        )
        for shard, fills in enumerate(_order_logs(service, redis))
    ]
    feed = market_data.PriceFeed(channel, instruments, board)
    valuer = Valuer(ledger, board, service.clock)
    broadcaster = Broadcaster(redis, VALUES, clock=service.clock)
    publisher = ValuePublisher(
        ledger, board, valuer, lambda a: broadcaster.publish(a.portfolio.account_id, appraisal_to_event(a))
    )

    service.spawn("relay", relay.run())
    for shard, bookkeeper in enumerate(bookkeepers):
        service.spawn(f"bookkeeper {shard}", bookkeeper.run())
    service.spawn("prices", feed.run(Backoff()))
    service.spawn("broadcaster", broadcaster.run())
    service.spawn("values", publisher.run(settings.publish_seconds))
    access = AccountAccess(KnownEnvironments(ledger)) if settings.enforce_access else None
    desk = Desk(
        ledger=ledger,
        books=books,
        portfolios=Portfolios(books, instruments, service.clock, service.identifiers),
        valuer=valuer,
        board=board,
        hub=hub,
        history=log,
        epoch=await log.epoch(),
        draining=service.draining,
        clock=service.clock,
        cash=Cash(books, store, _live_orders(service), service.clock),
        access=access,
    )
    metrics.PortfolioMetrics(
        service.telemetry.registry,
        {
            metrics.PRICES_CONNECTED: lambda: feed.connected,
            metrics.FILLS_BOOKED: lambda: sum(each.booked for each in bookkeepers),
            metrics.FILLS_REPEATED: lambda: sum(each.duplicates for each in bookkeepers),
        },
        as_of=lambda: [ledger.as_of_shard(shard) for shard in range(len(bookkeepers))],
    )
    reached = () if access is None else (account_interceptor(access, ledger),)
    service.server.add(
        portfolio_service_pb2_grpc.add_PortfolioServiceServicer_to_server, PortfolioServicer(desk), *reached
    )
    service.server.add(event_log_service_pb2_grpc.add_EventLogServiceServicer_to_server, PositionLogServicer(log))
    serve_audit_log(service.server, AuditLog(database))
    service.record_refusals(AuditNotes(database, trail))


def _live_orders(service: Service[PortfolioSettings]) -> open_orders.LiveOrders:
    return open_orders.LiveOrders(service.channels.to(service.settings.order_logs[0], open_orders.SERVICE))


def _order_logs(service: Service[PortfolioSettings], redis: Redis) -> list[order_log.OrderLogFills]:
    addresses = service.settings.order_logs
    return [
        order_log.OrderLogFills(
            redis,
            order_log.OrderEventLog(service.channels.to(address, order_log.SERVICE), shard),
            shard_count=len(addresses),
        )
        for shard, address in enumerate(addresses)
    ]


if __name__ == "__main__":
    run(PortfolioSettings, main)
