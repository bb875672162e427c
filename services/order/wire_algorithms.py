"""Algorithms between the contract's messages and the domain's values."""

from __future__ import annotations

from decimal import Decimal

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.order.v1 import algorithm_pb2
from services.kernel.decimals import ZERO, format_decimal
from services.order.domain.algorithms.routing_terms import SmartRouting
from services.order.domain.algorithms.terms import (
    Aggressiveness,
    Algorithm,
    Participation,
    Plan,
    Shortfall,
    Strategy,
    Twap,
    Vwap,
)
from services.order.wire_routing import routing_message, routing_of, smart_routing_message, smart_routing_of

_BILLION = 1_000_000_000


def algorithm_message(algorithm: Algorithm) -> algorithm_pb2.Algorithm:
    """Returns the message of an algorithm."""
    message = algorithm_pb2.Algorithm(
        end_time=_timestamp(algorithm.end_at_ns),
        child_aggressiveness=algorithm_pb2.ChildAggressiveness.ValueType(algorithm.aggressiveness),
        max_participation=_text(algorithm.max_participation),
        cross_at_end=algorithm.cross_at_end,
    )
    if algorithm.start_at_ns is not None:
        message.start_time.CopyFrom(_timestamp(algorithm.start_at_ns))
    if algorithm.plan is not None:
        message.plan.CopyFrom(plan_message(algorithm.plan))
    _add_strategy(message, algorithm.strategy)
    return message


def algorithm_of(message: algorithm_pb2.Algorithm) -> Algorithm:
    """Returns the algorithm that was written."""
    return Algorithm(
        _strategy_of(message),
        _nanoseconds(message.end_time),
        _nanoseconds(message.start_time) if message.HasField("start_time") else None,
        Aggressiveness(message.child_aggressiveness),
        _number(message.max_participation),
        cross_at_end=message.cross_at_end,
        plan=_plan_of(message.plan) if message.HasField("plan") else None,
    )


def plan_message(plan: Plan) -> algorithm_pb2.AlgorithmPlan:
    """Returns the message of a plan."""
    return algorithm_pb2.AlgorithmPlan(
        basis=plan.basis,
        expected_volumes=map(format_decimal, plan.expected_volumes),
        volatility=_text(plan.volatility),
        temporary_impact=_text(plan.temporary_impact),
        permanent_impact=_text(plan.permanent_impact),
        fixed_cost=_text(plan.fixed_cost),
        routing=None if plan.routing is None else routing_message(plan.routing),
    )


def _add_strategy(message: algorithm_pb2.Algorithm, strategy: Strategy) -> None:
    match strategy:
        case Twap():
            message.twap.SetInParent()
            message.twap.randomisation = format_decimal(strategy.randomisation) if strategy.randomisation else ""
            _add_slice(message.twap, strategy.slice_ns)
        case Vwap():
            message.vwap.history_days = strategy.history_days
            _add_slice(message.vwap, strategy.slice_ns)
        case Participation():
            told = message.participation_of_volume
            told.target_rate = format_decimal(strategy.target_rate)
            told.min_child_quantity, told.max_child_quantity = _text(strategy.min_child), _text(strategy.max_child)
        case SmartRouting():
            message.smart_routing.CopyFrom(smart_routing_message(strategy))
        case Shortfall():
            asked = message.implementation_shortfall
            asked.risk_aversion, asked.volatility = format_decimal(strategy.risk_aversion), _text(strategy.volatility)
            asked.temporary_impact = _text(strategy.temporary_impact)
            asked.permanent_impact = _text(strategy.permanent_impact)
            asked.fixed_cost = _text(strategy.fixed_cost)
            _add_slice(asked, strategy.slice_ns)


def _strategy_of(message: algorithm_pb2.Algorithm) -> Strategy:
    match message.WhichOneof("strategy"):
        case "twap":
            return Twap(_slice(message.twap), _number(message.twap.randomisation) or ZERO)
        case "vwap":
            return Vwap(message.vwap.history_days, _slice(message.vwap))
        case "participation_of_volume":
            told = message.participation_of_volume
            return Participation(
                Decimal(told.target_rate), _number(told.min_child_quantity), _number(told.max_child_quantity)
            )
        case "implementation_shortfall":
            asked = message.implementation_shortfall
            return Shortfall(
                Decimal(asked.risk_aversion),
                _number(asked.volatility),
                _number(asked.temporary_impact),
                _number(asked.permanent_impact),
                _number(asked.fixed_cost),
                _slice(asked),
            )
        case "smart_routing":
            return smart_routing_of(message.smart_routing)
        case other:
            raise ValueError(f"an algorithm of unknown kind: {other}")


def _plan_of(message: algorithm_pb2.AlgorithmPlan) -> Plan:
    return Plan(
        message.basis,
        tuple(map(Decimal, message.expected_volumes)),
        _number(message.volatility),
        _number(message.temporary_impact),
        _number(message.permanent_impact),
        _number(message.fixed_cost),
        routing_of(message.routing) if message.HasField("routing") else None,
    )


_Sliced = algorithm_pb2.Twap | algorithm_pb2.Vwap | algorithm_pb2.ImplementationShortfallAlgorithm


def _add_slice(message: _Sliced, slice_ns: int | None) -> None:
    if slice_ns is not None:
        seconds, nanos = divmod(slice_ns, _BILLION)
        message.slice_interval.CopyFrom(Duration(seconds=seconds, nanos=nanos))


def _slice(message: _Sliced) -> int | None:
    return _nanoseconds(message.slice_interval) if message.HasField("slice_interval") else None


def _timestamp(at_ns: int) -> Timestamp:
    seconds, nanos = divmod(at_ns, _BILLION)
    return Timestamp(seconds=seconds, nanos=nanos)


def _nanoseconds(value: Timestamp | Duration) -> int:
    return value.seconds * _BILLION + value.nanos


def _text(value: Decimal | None) -> str:
    return "" if value is None else format_decimal(value)


def _number(text: str) -> Decimal | None:
    return Decimal(text) if text else None
