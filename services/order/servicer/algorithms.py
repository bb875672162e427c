"""What requests ask of algorithms."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from google.protobuf.duration_pb2 import Duration

from ordermesh.order.v1 import algorithm_pb2, smart_routing_pb2
from services.kernel.decimals import ZERO
from services.kernel.errors import invalid_field
from services.order.domain.algorithms.routing_terms import USUAL_ROUNDS, SmartRouting
from services.order.domain.algorithms.terms import (
    Aggressiveness,
    Algorithm,
    Participation,
    Shortfall,
    Strategy,
    Twap,
    Vwap,
)
from services.order.servicer.numbers import nanoseconds_of, number

_BILLION: Final = 1_000_000_000
_USUAL_DAYS: Final = 5


def algorithm_of_request(asked: algorithm_pb2.Algorithm) -> Algorithm:
    """Returns the algorithm that a request asks for.

    Raises:
        CodedError: INVALID_FIELD.
    """
    if asked.HasField("plan"):
        raise invalid_field("algorithm.plan", "must be absent: it is told, never given")
    return Algorithm(
        _strategy(asked),
        nanoseconds_of(asked.end_time, "algorithm.end_time"),
        nanoseconds_of(asked.start_time, "algorithm.start_time") if asked.HasField("start_time") else None,
        Aggressiveness(asked.child_aggressiveness or _usual_aggressiveness(asked)),
        _number(asked.max_participation, "algorithm.max_participation"),
        cross_at_end=asked.cross_at_end,
    )


def _strategy(asked: algorithm_pb2.Algorithm) -> Strategy:
    match asked.WhichOneof("strategy"):
        case "twap":
            randomisation = _number(asked.twap.randomisation, "algorithm.twap.randomisation")
            return Twap(_slice(asked.twap), randomisation or ZERO)
        case "vwap":
            return Vwap(asked.vwap.history_days or _USUAL_DAYS, _slice(asked.vwap))
        case "participation_of_volume":
            return _participation(asked.participation_of_volume)
        case "implementation_shortfall":
            return _shortfall(asked.implementation_shortfall)
        case "smart_routing":
            return _smart_routing(asked.smart_routing)
        case _:
            raise invalid_field("algorithm.strategy", "must be given")


def _usual_aggressiveness(asked: algorithm_pb2.Algorithm) -> Aggressiveness:
    return Aggressiveness.AGGRESSIVE if asked.HasField("smart_routing") else Aggressiveness.NEUTRAL


def _smart_routing(asked: smart_routing_pb2.SmartRouting) -> SmartRouting:
    return SmartRouting(
        # In an order of their own, so that a repeated request may name them in another.
        tuple(sorted(asked.venues)),
        tuple(sorted(asked.connection_ids)),
        _number(asked.max_venue_quantity, "algorithm.smart_routing.max_venue_quantity"),
        asked.max_rounds or USUAL_ROUNDS,
    )


def _participation(asked: algorithm_pb2.ParticipationOfVolume) -> Participation:
    field = "algorithm.participation_of_volume"
    return Participation(
        number(asked.target_rate, f"{field}.target_rate"),
        _number(asked.min_child_quantity, f"{field}.min_child_quantity"),
        _number(asked.max_child_quantity, f"{field}.max_child_quantity"),
    )


def _shortfall(asked: algorithm_pb2.ImplementationShortfallAlgorithm) -> Shortfall:
    field = "algorithm.implementation_shortfall"
    return Shortfall(
        _number(asked.risk_aversion, f"{field}.risk_aversion") or ZERO,
        _number(asked.volatility, f"{field}.volatility"),
        _number(asked.temporary_impact, f"{field}.temporary_impact"),
        _number(asked.permanent_impact, f"{field}.permanent_impact"),
        _number(asked.fixed_cost, f"{field}.fixed_cost"),
        _slice(asked),
    )


def _slice(
    asked: algorithm_pb2.Twap | algorithm_pb2.Vwap | algorithm_pb2.ImplementationShortfallAlgorithm,
) -> int | None:
    return _nanoseconds(asked.slice_interval) if asked.HasField("slice_interval") else None


def _nanoseconds(length: Duration) -> int:
    return length.seconds * _BILLION + length.nanos


def _number(text: str, field: str) -> Decimal | None:
    """Returns a number, None for an empty text; the contract's pattern has refused what is none."""
    if not text:
        return None
    return ZERO if text == "0" else number(text, field)
