"""OrderService: wires its parts, and runs."""

from __future__ import annotations

from ordermesh.event.v1 import event_log_service_pb2_grpc
from ordermesh.order.v1 import order_log_service_pb2_grpc, order_service_pb2_grpc
from services.bus.connection import connect
from services.bus.relay import Relay, RelayOptions
from services.kernel.drain import Pace
from services.kernel.identifiers import UuidV7
from services.mesh.access.accounts import AccountAccess, PortfolioEnvironments
from services.mesh.audit_service import serve_audit_log
from services.mesh.interceptors.accounts import AccountInterceptor
from services.mesh.service import Service, run
from services.order.config import OrderSettings
from services.order.domain.algorithms.routing_record import RoutingRecord
from services.order.peers.broker import BrokerRoute
from services.order.peers.instruments import InstrumentCatalogue
from services.order.peers.market_record import PublicMarket
from services.order.peers.market_volumes import MarketBars, VolumeBoard
from services.order.peers.previews import MarketDepths, RiskChecks, Routing
from services.order.peers.quotes import QuoteBoard
from services.order.peers.risk import RiskStream
from services.order.peers.shards import ShardClients
from services.order.peers.trades import TradeFollower
from services.order.peers.venue_types import VenueTypes
from services.order.pipeline.algorithm_plans import AlgorithmPlans
from services.order.pipeline.algorithm_preparing import AlgorithmPreparing
from services.order.pipeline.algorithms import Algorithms
from services.order.pipeline.book import Book
from services.order.pipeline.digesting import digest_for_ever
from services.order.pipeline.environments import KeptEnvironments
from services.order.pipeline.expiries import Expiries
from services.order.pipeline.judging import Judging
from services.order.pipeline.leases import Leases
from services.order.pipeline.list_placing import OrderLists
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.orders import Orders
from services.order.pipeline.placing import Placing
from services.order.pipeline.previewing import Previewing
from services.order.pipeline.quality_summaries import QualitySummaries
from services.order.pipeline.reconciliations import Reconciliations
from services.order.pipeline.reconciling import Reconciling
from services.order.pipeline.replacing import Replacing
from services.order.pipeline.route_planning import RoutePlanner
from services.order.pipeline.routing import Router
from services.order.pipeline.sharding import Shards
from services.order.pipeline.triggers import Triggers
from services.order.pipeline.withdrawing import Withdrawing
from services.order.pipeline.writer import Writer
from services.order.publishing import BusLog, Publishing
from services.order.servicer.access import account_interceptor
from services.order.servicer.event_log import EventLogServicer
from services.order.servicer.order_log import OrderLogServicer
from services.order.servicer.orders import OrderServicer
from services.order.servicer.passing import PassedStreams
from services.order.servicer.sharding import ShardInterceptor
from services.order.servicer.streams import OrderStreams
from services.order.servicer.trade_commands import Desk
from services.order.servicer.trade_stream import TradeStreams
from services.order.store.digests import LogDigests
from services.order.store.environments import PostgresEnvironments
from services.order.store.execution_records import LoggedExecutions
from services.order.store.history import History
from services.order.store.leases import PostgresLeases
from services.order.store.listing import Listing
from services.order.store.lists import PostgresLists
from services.order.store.log import OrderLog
from services.order.store.postgres import PostgresStore
from services.order.store.reconciliations import PostgresReconciliations
from services.order.store.replaces import Replaces
from services.order.store.shards import OrderOwners, enter
from services.order.store.starting import start
from services.order.wire_events import TOPIC_OF_NAME
from services.storage.audit_log import AuditLog, AuditTrail
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

    metrics = Metrics(service.telemetry.registry)
    history = History(database, settings.shard)
    writer = Writer(
        book,
        store,
        service.clock,
        identifiers,
        metrics,
        most_per_batch=settings.most_events_per_commit,
        most_waiting=settings.most_waiting_orders,
    )
    channels = service.channels
    instruments = InstrumentCatalogue(
        channels.to(settings.marketdata_address, "ordermesh.marketdata.v1.MarketDataService"),
        refresh_seconds=settings.instrument_refresh_seconds,
    )
    quotes = QuoteBoard(channels.to(settings.marketdata_address))
    risk = RiskStream(
        channels.to(settings.risk_address),
        book,
        history,
        Withdrawing(writer),
        timeout_seconds=settings.risk_timeout_seconds,
    )
    reconciliations = Reconciliations(
        PostgresReconciliations(database, settings.shard),
        book,
        service.clock,
        identifiers,
        kept=settings.kept_reconciliations,
        environments=environments,
    )
    service.on_close(reconciliations.flush)
    reconciling = Reconciling(book, store, metrics, reconciliations)
    broker = BrokerRoute(
        channels.to(settings.broker_address),
        book,
        writer,
        reconciling,
        service.clock,
        VenueTypes(),
        environments=environments,
    )
    streams = OrderStreams(
        book, history, service.clock, service.draining, most_waiting=settings.most_waiting_per_stream
    )
    redis = connect(settings.redis_url.get_secret_value())
    service.on_close(redis.aclose)
    relay_options = RelayOptions(interval_seconds=settings.relay_interval_seconds)
    relay = Relay(redis, BusLog(book, history), TOPIC_OF_NAME, shard=settings.shard, options=relay_options)
    for listener in (broker, risk, streams, Publishing(relay, book.epoch), reconciling):
        writer.listen(listener)
    placing = Placing(
        book,
        writer,
        store,
        risk=risk,
        instruments=instruments,
        quotes=quotes,
        clock=service.clock,
        metrics=metrics,
        venue_types=broker.venue_types,
        most_per_batch=settings.most_orders_per_check,
        most_waiting=settings.most_waiting_orders,
        pace=Pace(settings.check_interval_seconds),
    )
    listing = Listing(database)
    plans, planner = _work(
        service, identifiers, book, writer, placing, listing, metrics, instruments=instruments, quotes=quotes
    )
    previewing = Previewing(
        book,
        placing,
        store,
        instruments=instruments,
        risk=RiskChecks(
            channels.to(settings.risk_address), risk, settings.shard, timeout_seconds=settings.risk_timeout_seconds
        ),
        depths=MarketDepths(channels.to(settings.marketdata_address)),
        routes=Routing(channels.to(settings.broker_address)),
        plans=plans,
        rounds=planner,
        clock=service.clock,
    )
    orders, list_store = Orders(book, writer, store), PostgresLists(database)
    order_lists = OrderLists(placing, writer, store, list_store, orders, instruments=instruments, clock=service.clock)
    leases = Leases(orders, PostgresLeases(database, settings.shard))
    await leases.start()
    replacing = Replacing(
        book,
        writer,
        orders,
        Replaces(database),
        risk=risk,
        instruments=instruments,
        clock=service.clock,
        most_per_batch=settings.most_orders_per_check,
        most_waiting=settings.most_waiting_orders,
    )
    metrics.live.set_function(lambda: len(book.live))
    metrics.waiting.set_function(lambda: placing.in_flight)
    _hold(service, book, writer, metrics, instruments)

    public_market = PublicMarket(channels.to(settings.marketdata_address))
    executions = LoggedExecutions(database, listing)
    for name, coroutine in (
        ("writer", writer.run()),
        ("placing", placing.run()),
        ("replacing", replacing.run()),
        ("risk", risk.run()),
        ("broker", broker.run()),
        ("instruments", instruments.run()),
        ("quotes", quotes.run()),
        ("relay", relay.run()),
        ("reconciliations", reconciliations.run()),
        ("leases", leases.run()),
    ):
        service.spawn(name, coroutine)
    trades = TradeStreams(
        streams,
        Desk(placing, orders, replacing, order_lists, instruments, service.clock, identifiers, metrics),
        leases,
        service.clock,
        service.draining,
        most_in_flight=settings.most_commands_per_stream,
    )
    servicer = OrderServicer(
        placing,
        replacing,
        orders,
        listing,
        streams,
        trades,
        order_lists=order_lists,
        list_pages=list_store,
        previewing=previewing,
        reconciliations=reconciliations,
        judging=Judging(orders, executions, public_market, quotes, service.clock),
        quality_summaries=QualitySummaries(executions, public_market),
        clock=service.clock,
        identifiers=identifiers,
        metrics=metrics,
    )
    inside = _passing_on(service, shards, OrderOwners(database, book), metrics) if shards.count > 1 else ()
    service.server.add(
        order_service_pb2_grpc.add_OrderServiceServicer_to_server,
        servicer,
        *inside,
        *_reaching(service, database, orders, order_lists),
    )
    _serve_logs(service, database, EventLogServicer(book, history, shards.count))


def _serve_logs(service: Service[OrderSettings], database: Database, events: EventLogServicer) -> None:
    """Serves the order log, and records digests of it in the audit, which is served as well."""
    settings = service.settings
    digests = LogDigests(database, AuditTrail(settings.service, service.clock, service.identifiers))
    service.spawn("digests", digest_for_ever(digests, settings.shard, settings.digest_interval_seconds))
    service.server.add(event_log_service_pb2_grpc.add_EventLogServiceServicer_to_server, events)
    service.server.add(order_log_service_pb2_grpc.add_OrderLogServiceServicer_to_server, OrderLogServicer(digests))
    serve_audit_log(service.server, AuditLog(database))


def _work(  # noqa: PLR0917 - each is a part that it wires
    service: Service[OrderSettings],
    identifiers: UuidV7,
    book: Book,
    writer: Writer,
    placing: Placing,
    listing: Listing,
    metrics: Metrics,
    *,
    instruments: InstrumentCatalogue,
    quotes: QuoteBoard,
) -> tuple[AlgorithmPlans, RoutePlanner]:
    """Works orders by their algorithms, and returns what makes the plans for that."""
    bars = MarketBars(service.channels.to(service.settings.marketdata_address))
    volumes, plans, clock = VolumeBoard(bars), AlgorithmPlans(bars, quotes), service.clock
    channels, settings, record = service.channels, service.settings, RoutingRecord()
    planner = RoutePlanner(
        instruments,
        MarketDepths(channels.to(settings.marketdata_address)),
        Routing(channels.to(settings.broker_address)),
        bars,
        record=record,
        clock=clock,
    )
    algorithms = Algorithms(
        book,
        writer,
        placing,
        instruments=instruments,
        quotes=quotes,
        volumes=volumes,
        router=Router(planner, writer, record=record, quotes=quotes, clock=clock, identifiers=identifiers),
        clock=clock,
        identifiers=identifiers,
    )
    algorithms.start()
    writer.listen(algorithms)
    metrics.algorithms.set_function(lambda: len(algorithms))
    preparing = AlgorithmPreparing(algorithms, plans, listing, writer, instruments=instruments, clock=clock)
    service.spawn("algorithms", algorithms.run())
    service.spawn("routing", algorithms.plan_rounds())
    service.spawn("algorithm preparing", preparing.run())
    service.spawn("volumes", volumes.run(clock.now_ns))
    return plans, planner


def _passing_on(
    service: Service[OrderSettings], shards: Shards, owners: OrderOwners, metrics: Metrics
) -> tuple[ShardInterceptor]:
    """Returns what passes calls on to the shards of their accounts."""
    addresses = enumerate(service.settings.shard_addresses)
    others = ShardClients({shard: service.channels.to(address) for shard, address in addresses if shard != shards.own})
    streams = PassedStreams(others, service.clock, service.draining)
    return (ShardInterceptor(shards, owners, others, streams, metrics),)


def _reaching(
    service: Service[OrderSettings], database: Database, orders: Orders, lists: OrderLists
) -> tuple[AccountInterceptor, ...]:
    """Returns what sees to it that callers reach the accounts that they ask for, where anybody looks at callers."""
    if not service.settings.enforce_access:
        return ()
    source = PortfolioEnvironments(service.channels.to(service.settings.portfolio_address))
    environments = KeptEnvironments(PostgresEnvironments(database), source)
    return (account_interceptor(AccountAccess(environments), orders, lists),)


def _hold(
    service: Service[OrderSettings], book: Book, writer: Writer, metrics: Metrics, instruments: InstrumentCatalogue
) -> None:
    """Holds orders that wait here until the market reaches them or their time is over."""
    expiries, triggers = Expiries(book, writer, service.clock), Triggers(book, writer, service.clock, metrics)
    channel = service.channels.to(service.settings.marketdata_address)
    follower = TradeFollower(channel, instruments, triggers)
    service.on_close(follower.close)
    writer.listen(expiries)
    writer.listen(triggers)
    metrics.held.set_function(lambda: triggers.held)
    # What is due ends before the market is asked for.
    expiries.start()
    triggers.start(follower)
    service.spawn("expiries", expiries.run())
    service.spawn("triggers", triggers.run())
    service.spawn("trades", follower.run())


if __name__ == "__main__":
    run(OrderSettings, main)
