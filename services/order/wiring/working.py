"""Orders that are worked or held here: by algorithms, until the market reaches them, or until their time is over."""

from __future__ import annotations

from services.order.domain.algorithms.routing_record import RoutingRecord
from services.order.peers.market_volumes import MarketBars, VolumeBoard
from services.order.peers.previews import MarketDepths, RiskChecks, Routing
from services.order.peers.trades import TradeFollower
from services.order.pipeline.algorithm_plans import AlgorithmPlans
from services.order.pipeline.algorithm_preparing import AlgorithmPreparing
from services.order.pipeline.algorithms import Algorithms
from services.order.pipeline.expiries import Expiries
from services.order.pipeline.previewing import Previewing
from services.order.pipeline.route_planning import RoutePlanner
from services.order.pipeline.routing import Router
from services.order.pipeline.triggers import Triggers
from services.order.wiring.around import Around
from services.order.wiring.core import Core
from services.order.wiring.entry import Entry


def work(core: Core, around: Around, entry: Entry) -> Previewing:
    """Works orders by their algorithms, and returns what tells before how an order would be worked."""
    service, settings, clock = core.service, core.settings, core.clock
    bars, record = MarketBars(core.market_data), RoutingRecord()
    volumes, plans = VolumeBoard(bars), AlgorithmPlans(bars, around.quotes)
    depths, routes = MarketDepths(core.market_data), Routing(service.channels.to(settings.broker_address))
    planner = RoutePlanner(around.instruments, depths, routes, bars, record=record, clock=clock)
    algorithms = Algorithms(
        core.book,
        core.writer,
        entry.placing,
        instruments=around.instruments,
        quotes=around.quotes,
        volumes=volumes,
        router=Router(
            planner, core.writer, record=record, quotes=around.quotes, clock=clock, identifiers=core.identifiers
        ),
        clock=clock,
        identifiers=core.identifiers,
    )
    algorithms.start()
    core.writer.listen(algorithms)
    core.metrics.algorithms.set_function(lambda: len(algorithms))
    preparing = AlgorithmPreparing(
        algorithms, plans, entry.listing, core.writer, instruments=around.instruments, clock=clock
    )
    service.spawn("algorithms", algorithms.run())
    service.spawn("routing", algorithms.plan_rounds())
    service.spawn("algorithm preparing", preparing.run())
    service.spawn("volumes", volumes.run(clock.now_ns))
    risk = service.channels.to(settings.risk_address)
    return Previewing(
        core.book,
        entry.placing,
        core.store,
        instruments=around.instruments,
        risk=RiskChecks(risk, around.risk, settings.shard, timeout_seconds=settings.risk_timeout_seconds),
        depths=depths,
        routes=routes,
        plans=plans,
        rounds=planner,
        quotes=around.quotes,
        clock=clock,
    )


def hold(core: Core, around: Around) -> None:
    """Holds orders that wait here until the market reaches them or their time is over."""
    service, writer = core.service, core.writer
    expiries = Expiries(core.book, writer, core.clock)
    triggers = Triggers(core.book, writer, core.clock, core.metrics)
    follower = TradeFollower(core.market_data, around.instruments, triggers)
    service.on_close(follower.close)
    writer.listen(expiries)
    writer.listen(triggers)
    core.metrics.held.set_function(lambda: triggers.held)
    # What is due ends before the market is asked for.
    expiries.start()
    triggers.start(follower)
    service.spawn("expiries", expiries.run())
    service.spawn("triggers", triggers.run())
    service.spawn("trades", follower.run())
