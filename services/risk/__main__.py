"""Wires RiskService and runs it."""

from __future__ import annotations

from ordermesh.event.v1 import event_log_service_pb2_grpc
from ordermesh.risk.v1 import reservation_service_pb2_grpc, risk_service_pb2_grpc
from services.bus.connection import connect
from services.bus.relay import Relay
from services.mesh.access.accounts import AccountAccess
from services.mesh.audit_service import serve_audit_log
from services.mesh.service import Service, run
from services.mesh.streams import Hub
from services.risk.config import RiskSettings
from services.risk.domain.alert import Alert
from services.risk.metrics import RiskMetrics
from services.risk.peers import accounts, markets
from services.risk.peers.accounts import PortfolioAccounts
from services.risk.peers.markets import QuotedMarkets
from services.risk.pipeline.alerts import AlertLog
from services.risk.pipeline.book import Book
from services.risk.pipeline.breakers import Breakers
from services.risk.pipeline.keeping import Keeper
from services.risk.pipeline.parameters import ParameterKeeper
from services.risk.pipeline.reserving import Reserving
from services.risk.pipeline.trading import Trading
from services.risk.pipeline.watching import Watcher
from services.risk.pipeline.withdrawing import Withdrawing
from services.risk.servicer.access import KnownEnvironments, account_interceptor
from services.risk.servicer.event_log import EventLogServicer
from services.risk.servicer.reservation import ReservationServicer
from services.risk.servicer.risk import Alerts, RiskServicer
from services.risk.store.alerts import TOPIC, AlertPublication, PostgresAlertStore
from services.risk.store.book import PostgresBookStore
from services.risk.store.schema import SCHEMA
from services.risk.store.settings import PostgresSettingsStore
from services.storage.audit_log import AuditLog, AuditNotes, AuditTrail
from services.storage.database import Database, PoolOptions
from services.storage.migrations import migrate


async def main(service: Service[RiskSettings]) -> None:
    """Wires the service."""
    database = await _database(service)
    alert_log, alerts = await _alerts(service, database)
    settings = service.settings
    book = Book(service.clock)
    listed = PortfolioAccounts(
        service.channels.to(settings.portfolio_address, accounts.SERVICE), settings.lookup_timeout_seconds, book.learn
    )
    quoted = QuotedMarkets(
        service.channels.to(settings.marketdata_address, markets.SERVICE),
        service.clock,
        timeout_seconds=settings.lookup_timeout_seconds,
        most_age_seconds=settings.price_age_seconds,
    )

    trail = AuditTrail(settings.service, service.clock, service.identifiers)
    kept_settings = PostgresSettingsStore(database, trail)
    parameters = ParameterKeeper(book, kept_settings, service.clock, listed.find)
    await parameters.load(settings.first_parameters())
    breakers = Breakers(book, service.clock, alert_log, kept_settings)
    await breakers.load()
    withdrawing = Withdrawing(book)
    trading = Trading(book, kept_settings, service.clock, alert_log, withdrawing, listed.find)
    await trading.load(split=settings.enforce_access)

    book_store = PostgresBookStore(database)
    kept = await book_store.load()
    listed.remember(kept.environments)
    await quoted.require({each.instrument for each in kept.exposures})
    book.restore(kept, quoted.all)
    keeper = Keeper(book, breakers, trading, book_store, settings.save_interval_seconds)
    watcher = Watcher(book, breakers, alert_log, service.clock)
    service.on_close(keeper.save)
    _ = service.spawn("quotes", quoted.run())
    _ = service.spawn("keeper", keeper.run())
    _ = service.spawn("watcher", watcher.run(settings.watch_interval_seconds))

    access = AccountAccess(KnownEnvironments(book.environments, listed.find))
    reserving = Reserving(book, listed, quoted, breakers, service.clock, withdrawing)
    RiskMetrics(service.telemetry.registry, reserving, breakers, alert_log, service.clock)
    service.server.add(
        reservation_service_pb2_grpc.add_ReservationServiceServicer_to_server,
        ReservationServicer(reserving, breakers.looking, service.draining),
    )
    service.server.add(
        risk_service_pb2_grpc.add_RiskServiceServicer_to_server,
        RiskServicer(book, parameters, breakers, trading, alerts, clock=service.clock, draining=service.draining),
        *((account_interceptor(access),) if settings.enforce_access else ()),
    )
    serve_audit_log(service.server, AuditLog(database))
    service.record_refusals(AuditNotes(database, trail))


async def _database(service: Service[RiskSettings]) -> Database:
    url = service.settings.postgres_url.get_secret_value()
    await migrate(url, "risk", schema=SCHEMA)
    return await service.enter(Database(url, SCHEMA, PoolOptions(size=service.settings.postgres_pool_size)))


async def _alerts(service: Service[RiskSettings], database: Database) -> tuple[AlertLog, Alerts]:
    """Wires the log of alerts: its store, its streams, and its topic on the bus."""
    store = PostgresAlertStore(database)
    epoch = await store.epoch()
    publication = AlertPublication(store, epoch)
    redis = connect(service.settings.redis_url.get_secret_value())
    service.on_close(redis.aclose)
    relay = Relay(redis, publication, [TOPIC], shard=service.settings.shard)
    log = AlertLog(store, service.identifiers)
    await log.load()
    hub: Hub[Alert] = Hub(log.last_sequence)
    log.listen(hub.publish)
    log.listen(lambda alerts: relay.publish([publication.published(alert) for alert in alerts]))
    service.on_close(log.flush)
    _ = service.spawn("alerts", log.run())
    _ = service.spawn("relay", relay.run())
    service.server.add(
        event_log_service_pb2_grpc.add_EventLogServiceServicer_to_server,
        EventLogServicer(store, publication, epoch),
    )
    return log, Alerts(store, hub, epoch)


if __name__ == "__main__":
    run(RiskSettings, main)
