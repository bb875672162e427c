"""Wires BrokerService and runs it."""

from __future__ import annotations

from typing import Final

from ordermesh.broker.v1 import broker_service_pb2_grpc, routing_service_pb2_grpc
from services.broker.config import BrokerSettings
from services.broker.metrics import BrokerMetrics
from services.broker.peers import instruments, simulation
from services.broker.peers.engine_codec import EngineCodec
from services.broker.peers.instruments import Instruments
from services.broker.peers.simulation import SimulationAdapter
from services.broker.pipeline.books import Books
from services.broker.pipeline.connections import Connections
from services.broker.pipeline.directory import ConnectionDirectory
from services.broker.pipeline.environments import AccountEnvironments
from services.broker.pipeline.routing import Routes
from services.broker.pipeline.venues import Venues
from services.broker.servicer.access import connection_interceptor, shown
from services.broker.servicer.connections import BrokerServicer
from services.broker.servicer.routing import RoutingServicer
from services.broker.store import SCHEMA, BrokerStore
from services.mesh.access.environments import PORTFOLIO, KeptEnvironments, PortfolioEnvironments
from services.mesh.audit_service import serve_audit_log
from services.mesh.config import variable_of
from services.mesh.service import Service, run
from services.mesh.vault import Vault, read_key
from services.storage.audit_log import AuditLog, AuditNotes, AuditTrail
from services.storage.database import Database, PoolOptions
from services.storage.environments import PostgresEnvironments
from services.storage.migrations import migrate

_ACCOUNT_SECONDS: Final = 3.0
"""What an order of an account that was never met waits for PortfolioService; all orders of its shard wait with it."""


async def main(service: Service[BrokerSettings]) -> None:
    """Wires the service."""
    settings = service.settings
    key, variable = settings.credentials_key.get_secret_value(), variable_of(BrokerSettings, "credentials_key")
    vault = Vault(read_key(key, settings.credentials_key_file, variable))
    url = settings.postgres_url.get_secret_value()
    await migrate(url, "broker", schema=SCHEMA)
    database = await service.enter(Database(url, SCHEMA, PoolOptions(size=settings.postgres_pool_size)))
    trail = AuditTrail(settings.service, service.clock, service.identifiers)
    store = BrokerStore(database, vault, trail)

    books = Books(store)
    await books.load()
    terms = Instruments(service.channels.to(settings.marketdata_address, instruments.SERVICE))
    codec = EngineCodec(terms.by_name, terms.by_number, settings.taker_fee_rate)
    engine = service.channels.to(settings.engine_address, simulation.SERVICE)
    adapter = SimulationAdapter(engine, terms, codec, books)

    portfolio = PortfolioEnvironments(service.channels.to(settings.portfolio_address, PORTFOLIO), _ACCOUNT_SECONDS)
    accounts = KeptEnvironments(PostgresEnvironments(database), portfolio)
    directory = ConnectionDirectory({simulation.KIND: adapter}, AccountEnvironments(accounts))
    notes = AuditNotes(database, trail)
    venues = Venues(directory, notes)
    connections = Connections(store, directory, venues, service.clock, service.identifiers)
    await connections.load()
    routes = Routes(directory, service.clock)
    directory.listen(routes.adjust)
    BrokerMetrics(service.telemetry.registry, routes, directory)
    service.on_close(books.save)
    _ = service.spawn("books", books.run(adapter.catch_up, settings.books_interval_seconds))
    service.server.add(
        routing_service_pb2_grpc.add_RoutingServiceServicer_to_server,
        RoutingServicer(
            routes,
            directory,
            venues,
            service.draining,
            report_interval_seconds=settings.report_interval_seconds,
        ),
    )
    service.server.add(
        broker_service_pb2_grpc.add_BrokerServiceServicer_to_server,
        BrokerServicer(
            connections, directory, venues, routes, service.clock, shown if settings.enforce_access else None
        ),
        *((connection_interceptor(directory),) if settings.enforce_access else ()),
    )
    serve_audit_log(service.server, AuditLog(database))
    service.record_refusals(notes)


if __name__ == "__main__":
    run(BrokerSettings, main)
