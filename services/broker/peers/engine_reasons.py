"""Why the engine did what it did, as the contract's reasons and in words."""

from __future__ import annotations

from typing import Final

from ordermesh.engine.v1 import execution_pb2
from services.broker.domain.messages import ReportKind

_EXPLAINED: Final[dict[int, tuple[str, str]]] = {
    execution_pb2.EXECUTION_REASON_REQUESTED: ("CANCELED_ON_REQUEST", "canceled on request"),
    execution_pb2.EXECUTION_REASON_MASS_CANCEL: ("CANCELED_ON_REQUEST", "canceled on request, with others"),
    execution_pb2.EXECUTION_REASON_IMMEDIATE_OR_CANCEL: (
        "NO_LIQUIDITY",
        "the rest found nothing to trade with at once",
    ),
    execution_pb2.EXECUTION_REASON_FILL_OR_KILL: ("NO_LIQUIDITY", "not all of it could trade at once"),
    execution_pb2.EXECUTION_REASON_NO_LIQUIDITY: ("NO_LIQUIDITY", "the rest found nothing to trade with"),
    execution_pb2.EXECUTION_REASON_SELF_TRADE_PREVENTION: (
        "SELF_TRADE_PREVENTED",
        "it would have traded with another order of the same account",
    ),
    execution_pb2.EXECUTION_REASON_END_OF_DAY: ("TRADING_DAY_ENDED", "the trading day ended"),
    execution_pb2.EXECUTION_REASON_EXPIRE_TIME: ("EXPIRE_AT_REACHED", "its expiry has come"),
    execution_pb2.EXECUTION_REASON_AUCTION_OVER: ("AUCTION_ENDED", "the auction that it was for is over"),
    execution_pb2.EXECUTION_REASON_CALL_PHASE: (
        "AUCTION_CALL_PHASE",
        "in an auction's call phase nothing is taken that trades at once or not at all",
    ),
    execution_pb2.EXECUTION_REASON_UNKNOWN_INSTRUMENT: ("UNKNOWN_INSTRUMENT", "the venue has no such instrument"),
    execution_pb2.EXECUTION_REASON_PRICE_OUT_OF_BAND: (
        "PRICE_OUT_OF_RANGE",
        "the price is off the tick or outside what the venue takes",
    ),
    execution_pb2.EXECUTION_REASON_INVALID_QUANTITY: (
        "QUANTITY_OUT_OF_RANGE",
        "the quantity is off the lot or outside what the venue takes",
    ),
    execution_pb2.EXECUTION_REASON_HALTED: ("INSTRUMENT_NOT_TRADING", "trading in the instrument is halted"),
    execution_pb2.EXECUTION_REASON_UNKNOWN_ORDER: ("ORDER_NOT_LIVE", "the venue has no such open order"),
    execution_pb2.EXECUTION_REASON_CAPACITY: ("VENUE_REJECTED", "the venue holds as many open orders as it can"),
    execution_pb2.EXECUTION_REASON_POST_ONLY: (
        "POST_ONLY_WOULD_TRADE",
        "it is post-only and would have traded at once",
    ),
    execution_pb2.EXECUTION_REASON_INVALID_EXPIRE_TIME: ("EXPIRE_AT_REACHED", "its expiry had come already"),
    execution_pb2.EXECUTION_REASON_INVALID_DISPLAY_QUANTITY: (
        "QUANTITY_OUT_OF_RANGE",
        "the display quantity is off the lot or outside what the venue takes",
    ),
    execution_pb2.EXECUTION_REASON_INVALID_STOP_PRICE: (
        "VENUE_REJECTED",
        "the stop price is off the tick or outside what the venue takes, or the order waits for none any more",
    ),
}


def explain(execution: execution_pb2.Execution, kind: ReportKind) -> tuple[str, str]:
    """Returns the reason of an execution, and the same for people; both empty where there is nothing to explain."""
    if kind in (ReportKind.ACCEPTED, ReportKind.REPLACED, ReportKind.TRIGGERED):
        return "", ""
    if (explained := _EXPLAINED.get(execution.reason)) is not None:
        return explained
    name = execution_pb2.ExecutionReason.Name(execution.reason).removeprefix("EXECUTION_REASON_").lower()
    what = execution_pb2.ExecutionType.Name(execution.execution_type).removeprefix("EXECUTION_TYPE_").lower()
    reason = "VENUE_REJECTED" if kind in (ReportKind.REJECTED, ReportKind.CANCEL_REJECTED) else ""
    return reason, f"{what}: {name}".replace("_", " ")
