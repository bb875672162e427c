"""What OrderService serves: its RPCs, the order log, and what stands before them."""

from __future__ import annotations

from ordermesh.event.v1 import event_log_service_pb2_grpc
from ordermesh.order.v1 import order_log_service_pb2_grpc, order_service_pb2_grpc
from services.mesh.access.accounts import AccountAccess
from services.mesh.access.environments import KeptEnvironments, PortfolioEnvironments
from services.mesh.audit_service import serve_audit_log
from services.mesh.interceptors.accounts import AccountInterceptor
from services.order.peers.market_record import PublicMarket
from services.order.peers.shards import ShardClients
from services.order.pipeline.digesting import digest_for_ever
from services.order.pipeline.judging import Judging
from services.order.pipeline.leases import Leases
from services.order.pipeline.previewing import Previewing
from services.order.pipeline.quality_summaries import QualitySummaries
from services.order.pipeline.sharding import Shards
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
from services.order.store.execution_records import LoggedExecutions
from services.order.store.shards import OrderOwners
from services.order.wiring.around import Around
from services.order.wiring.core import Core
from services.order.wiring.entry import Entry
from services.storage.audit_log import AuditLog, AuditNotes, AuditTrail
from services.storage.environments import PostgresEnvironments


def serve_orders(
    core: Core,
    around: Around,
    entry: Entry,
    shards: Shards,
    *,
    streams: OrderStreams,
    leases: Leases,
    previewing: Previewing,
) -> None:
    """Serves the RPCs of orders."""
    executions, public_market = LoggedExecutions(core.database, entry.listing), PublicMarket(core.market_data)
    servicer = OrderServicer(
        entry.placing,
        entry.replacing,
        entry.orders,
        entry.listing,
        streams,
        _trades(core, around, entry, streams, leases),
        order_lists=entry.order_lists,
        list_pages=entry.list_store,
        previewing=previewing,
        reconciliations=around.reconciliations,
        judging=Judging(entry.orders, executions, public_market, around.quotes, core.clock),
        quality_summaries=QualitySummaries(executions, public_market),
        clock=core.clock,
        identifiers=core.identifiers,
        metrics=core.metrics,
    )
    core.service.server.add(
        order_service_pb2_grpc.add_OrderServiceServicer_to_server,
        servicer,
        *_passing_on(core, shards),
        *_reaching(core, entry),
    )


def serve_logs(core: Core, shards: Shards) -> None:
    """Serves the order log, and records digests of it and refused calls in the audit, which is served as well."""
    service, settings = core.service, core.settings
    events = EventLogServicer(core.book, core.history, shards.count)
    trail = AuditTrail(settings.service, service.clock, service.identifiers)
    digests = LogDigests(core.database, trail)
    service.spawn("digests", digest_for_ever(digests, settings.shard, settings.digest_interval_seconds))
    service.server.add(event_log_service_pb2_grpc.add_EventLogServiceServicer_to_server, events)
    service.server.add(order_log_service_pb2_grpc.add_OrderLogServiceServicer_to_server, OrderLogServicer(digests))
    serve_audit_log(service.server, AuditLog(core.database))
    service.record_refusals(AuditNotes(core.database, trail))


def _trades(core: Core, around: Around, entry: Entry, streams: OrderStreams, leases: Leases) -> TradeStreams:
    desk = Desk(
        entry.placing,
        entry.orders,
        entry.replacing,
        entry.order_lists,
        around.instruments,
        core.clock,
        core.identifiers,
        core.metrics,
    )
    most = core.settings.most_commands_per_stream
    return TradeStreams(streams, desk, leases, core.clock, core.service.draining, most_in_flight=most)


def _passing_on(core: Core, shards: Shards) -> tuple[ShardInterceptor, ...]:
    """Returns what passes calls on to the shards of their accounts, where there are several."""
    if shards.count == 1:
        return ()
    service, addresses = core.service, enumerate(core.settings.shard_addresses)
    others = ShardClients({shard: service.channels.to(address) for shard, address in addresses if shard != shards.own})
    streams = PassedStreams(others, service.clock, service.draining)
    return (ShardInterceptor(shards, OrderOwners(core.database, core.book), others, streams, core.metrics),)


def _reaching(core: Core, entry: Entry) -> tuple[AccountInterceptor, ...]:
    """Returns what sees to it that callers reach the accounts that they ask for, where anybody looks at callers."""
    if not core.settings.enforce_access:
        return ()
    source = PortfolioEnvironments(core.service.channels.to(core.settings.portfolio_address))
    environments = KeptEnvironments(PostgresEnvironments(core.database), source)
    return (account_interceptor(AccountAccess(environments), entry.orders, entry.order_lists),)
