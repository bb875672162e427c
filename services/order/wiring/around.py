"""What OrderService has of the services around it, and who is told what was committed."""

from __future__ import annotations

from dataclasses import dataclass

from services.bus.connection import connect
from services.bus.relay import Relay, RelayOptions
from services.order.peers.broker import BrokerRoute
from services.order.peers.instruments import InstrumentCatalogue
from services.order.peers.quotes import QuoteBoard
from services.order.peers.risk import RiskStream
from services.order.peers.venue_types import VenueTypes
from services.order.pipeline.reconciliations import Reconciliations
from services.order.pipeline.reconciling import Reconciling
from services.order.pipeline.withdrawing import Withdrawing
from services.order.publishing import BusLog, Publishing
from services.order.servicer.streams import OrderStreams
from services.order.store.reconciliations import PostgresReconciliations
from services.order.wire_events import TOPIC_OF_NAME
from services.order.wiring.core import Core


@dataclass(frozen=True, slots=True)
class Around:
    """The services around, as orders need them, and what was found where venues and the book differ."""

    instruments: InstrumentCatalogue
    quotes: QuoteBoard
    risk: RiskStream
    broker: BrokerRoute
    reconciling: Reconciling
    reconciliations: Reconciliations


def around_of(core: Core, environments: dict[str, int]) -> Around:
    """Makes the clients of other services.

    Args:
        core: What all stands on.
        environments: In which environment each connection is, once it is known.
    """
    service, settings, channels = core.service, core.settings, core.service.channels
    reconciliations = Reconciliations(
        PostgresReconciliations(core.database, settings.shard),
        core.book,
        core.clock,
        core.identifiers,
        kept=settings.kept_reconciliations,
        environments=environments,
    )
    service.on_close(reconciliations.flush)
    reconciling = Reconciling(core.book, core.store, core.metrics, reconciliations)
    return Around(
        InstrumentCatalogue(
            channels.to(settings.marketdata_address, "ordermesh.marketdata.v1.MarketDataService"),
            refresh_seconds=settings.instrument_refresh_seconds,
        ),
        QuoteBoard(core.market_data),
        RiskStream(
            channels.to(settings.risk_address),
            core.book,
            core.history,
            Withdrawing(core.writer),
            timeout_seconds=settings.risk_timeout_seconds,
        ),
        BrokerRoute(
            channels.to(settings.broker_address),
            core.book,
            core.writer,
            reconciling,
            core.clock,
            VenueTypes(),
            environments=environments,
        ),
        reconciling,
        reconciliations,
    )


def tell_all(core: Core, around: Around, streams: OrderStreams) -> Relay:
    """Lets those hear of every commit whom it concerns, the bus among them; returns what publishes there."""
    redis = connect(core.settings.redis_url.get_secret_value())
    core.service.on_close(redis.aclose)
    options = RelayOptions(interval_seconds=core.settings.relay_interval_seconds)
    relay = Relay(redis, BusLog(core.book, core.history), TOPIC_OF_NAME, shard=core.settings.shard, options=options)
    for listener in (around.broker, around.risk, streams, Publishing(relay, core.book.epoch), around.reconciling):
        core.writer.listen(listener)
    return relay
