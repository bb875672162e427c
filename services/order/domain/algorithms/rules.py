"""Which orders take an algorithm, and what its parameters must satisfy."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.kernel.decimals import format_decimal, is_multiple
from services.kernel.errors import CodedError, invalid_field
from services.order.domain.algorithms.routing_terms import SmartRouting
from services.order.domain.algorithms.schedules import DAY_NS, slice_count
from services.order.domain.algorithms.terms import SECOND_NS, Aggressiveness, Algorithm, Participation, Shortfall
from services.order.domain.instructions import Instructions
from services.order.domain.instruments import Instrument
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderType, TimeInForce

MOST_SLICES: Final = 2_000


def check_algorithm(terms: OrderTerms, instructions: Instructions, algorithm: Algorithm, at_ns: int) -> None:
    """Refuses an algorithm that does not go with its order, or has no time.

    Raises:
        CodedError: ALGORITHM_MISMATCH or ALGORITHM_TIME_MISMATCH; each names the field.
    """
    if terms.type not in (OrderType.MARKET, OrderType.LIMIT) or terms.role is not None:
        raise _mismatch("algorithm", "goes with market and limit orders alone, in no list")
    if terms.time_in_force is not TimeInForce.DAY:
        raise _mismatch("time_in_force", "must be DAY with an algorithm, which says itself when it ends")
    if instructions.post_only or instructions.reduce_only or instructions.display_quantity is not None:
        raise _mismatch("algorithm", "does not go with post_only, reduce_only or display_quantity")
    _check_time(algorithm, at_ns)
    _check_parameters(algorithm)


def check_steps(algorithm: Algorithm, instrument: Instrument) -> None:
    """Refuses quantities of an algorithm that the instrument does not allow.

    Raises:
        CodedError: QUANTITY_OFF_LOT; it names the field.
    """
    strategy = algorithm.strategy
    if isinstance(strategy, SmartRouting):
        _check_lot("smart_routing.max_venue_quantity", strategy.max_venue_quantity, instrument)
    if not isinstance(strategy, Participation):
        return
    for name, quantity in (("min_child_quantity", strategy.min_child), ("max_child_quantity", strategy.max_child)):
        _check_lot(f"participation_of_volume.{name}", quantity, instrument)


def _check_lot(name: str, quantity: Decimal | None, instrument: Instrument) -> None:
    if quantity is not None and not is_multiple(quantity, instrument.lot_size):
        rule = f"must be a multiple of {format_decimal(instrument.lot_size)}, the lot of {instrument.name}"
        raise invalid_field(f"algorithm.{name}", rule, reason="QUANTITY_OFF_LOT")


def _check_time(algorithm: Algorithm, at_ns: int) -> None:
    begin_ns, end_ns = algorithm.begins_at_ns(at_ns), algorithm.end_at_ns
    if end_ns < begin_ns + SECOND_NS:
        raise _no_time("algorithm.end_time", "must be at least one second after it begins")
    if end_ns > at_ns + DAY_NS:
        raise _no_time("algorithm.end_time", "must be within 24 hours")
    strategy = algorithm.strategy
    if isinstance(strategy, Participation | SmartRouting):
        return
    if slice_count(strategy.slice_ns, end_ns - begin_ns) > MOST_SLICES:
        raise _no_time("algorithm", f"has more than {MOST_SLICES} slices")


def _check_parameters(algorithm: Algorithm) -> None:
    match algorithm.strategy:
        case Participation(_, least, most) if least is not None and most is not None and most < least:
            field = "algorithm.participation_of_volume.max_child_quantity"
            raise _mismatch(field, "must not be less than min_child_quantity")
        case Shortfall(temporary_impact=eta, permanent_impact=gamma) if eta and gamma and gamma >= 2 * eta:
            # For any length of a slice: none is longer than a day.
            field = "algorithm.implementation_shortfall.permanent_impact"
            raise _mismatch(field, "must be less than 2 / day x temporary_impact")
        case SmartRouting():
            _check_routing(algorithm)
        case _:
            return


def _check_routing(algorithm: Algorithm) -> None:
    if algorithm.max_participation is not None or algorithm.cross_at_end:
        raise _mismatch("algorithm", "smart_routing does not go with max_participation or cross_at_end")
    if algorithm.aggressiveness is not Aggressiveness.AGGRESSIVE:
        raise _mismatch("algorithm.child_aggressiveness", "must be AGGRESSIVE, or absent, with smart_routing")


def _mismatch(field: str, rule: str) -> CodedError:
    return invalid_field(field, rule, reason="ALGORITHM_MISMATCH")


def _no_time(field: str, rule: str) -> CodedError:
    return invalid_field(field, rule, reason="ALGORITHM_TIME_MISMATCH")
