"""The domain's values as messages of the contract, and back."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.risk.v1 import circuit_breaker_pb2, risk_alert_pb2, risk_parameters_pb2, trading_state_pb2
from ordermesh.type.v1 import error_pb2, risk_breach_pb2, trading_pb2
from services.kernel.clock import from_ns, to_ns
from services.kernel.decimals import format_decimal
from services.mesh.streams import timestamp
from services.risk.domain.alert import Alert, AlertKind
from services.risk.domain.breach import Breach, Rule
from services.risk.domain.breaker import Breaker
from services.risk.domain.limits import Limits, Parameters, environment_of, firm_of, is_firm
from services.risk.domain.trading import KillSwitch

_PREFIX: Final = "ERROR_REASON_"
REASON: Final[dict[str, error_pb2.ErrorReason.ValueType]] = {
    name.removeprefix(_PREFIX): number for name, number in error_pb2.ErrorReason.items()
} | {"": error_pb2.ERROR_REASON_UNSPECIFIED}
_NAME: Final = {number: name for name, number in REASON.items()}

DECIMALS: Final = (
    "max_order_size",
    "max_position_size",
    "max_order_value",
    "max_position_value",
    "price_band_percent",
    "max_daily_loss",
    "max_daily_volume",
)
"""Names of the parameters that are decimals, the same in the contract, the domain and the store."""
OTHERS: Final = ("max_daily_trades", "circuit_breaker_enabled", "circuit_breaker_refusals")
"""Names of the others."""


def breach_to_proto(breach: Breach) -> risk_breach_pb2.RiskBreach:
    """Returns a breach."""
    return risk_breach_pb2.RiskBreach(
        rule=risk_breach_pb2.RiskRule.ValueType(breach.rule),
        limit=breach.limit,
        observed=breach.observed,
        unit=breach.unit,
        text=breach.text,
    )


def breach_from_proto(breach: risk_breach_pb2.RiskBreach) -> Breach:
    """Returns a breach."""
    return Breach(Rule(breach.rule), breach.limit, breach.observed, breach.unit, breach.text)


def alert_to_proto(alert: Alert) -> risk_alert_pb2.RiskAlert:
    """Returns an alert."""
    return risk_alert_pb2.RiskAlert(
        alert_id=alert.alert_id,
        sequence=alert.sequence,
        account_id=_told(alert.account_id),
        environment=_environment(alert.account_id),
        instrument=alert.instrument,
        kind=risk_alert_pb2.RiskAlertKind.ValueType(alert.kind),
        severity=risk_alert_pb2.RiskAlertSeverity.ValueType(alert.severity),
        breach=breach_to_proto(alert.breach) if alert.breach is not None else None,
        reason=REASON[alert.reason],
        order_id=alert.order_id,
        occurrences=alert.occurrences,
        text=alert.text,
        time=timestamp(to_ns(alert.at)),
        trading_state=trading_state_pb2.TradingState.ValueType(alert.trading_state),
    )


def alert_from_proto(told: risk_alert_pb2.RiskAlert) -> Alert:
    """Returns an alert."""
    return Alert(
        account_id=told.account_id or firm_of(told.environment),
        kind=AlertKind(told.kind),
        text=told.text,
        at=from_ns(told.time.ToNanoseconds()),
        instrument=told.instrument,
        breach=breach_from_proto(told.breach) if told.HasField("breach") else None,
        reason=_NAME[told.reason],
        order_id=told.order_id,
        occurrences=told.occurrences,
        alert_id=told.alert_id,
        sequence=told.sequence,
        trading_state=told.trading_state,
    )


def breaker_to_proto(breaker: Breaker, *, enabled: bool) -> circuit_breaker_pb2.CircuitBreaker:
    """Returns a circuit breaker."""
    state = (
        circuit_breaker_pb2.CIRCUIT_BREAKER_STATE_OPEN
        if breaker.is_open
        else circuit_breaker_pb2.CIRCUIT_BREAKER_STATE_CLOSED
    )
    return circuit_breaker_pb2.CircuitBreaker(
        account_id=breaker.account_id,
        state=state,
        enabled=enabled,
        cause=breach_to_proto(breaker.cause) if breaker.cause is not None else None,
        tripped_at=_time(breaker.tripped_at),
        reset_at=_time(breaker.reset_at),
        reset_text=breaker.reset_text,
        version=breaker.version,
    )


def switch_to_proto(switch: KillSwitch) -> trading_state_pb2.KillSwitch:
    """Returns a kill switch."""
    return trading_state_pb2.KillSwitch(
        account_id=_told(switch.account_id),
        environment=_environment(switch.account_id),
        state=trading_state_pb2.TradingState.ValueType(switch.state),
        cancel_open_orders=switch.cancels,
        text=switch.text,
        changed_at=_time(switch.changed_at),
        version=switch.version,
    )


def parameters_to_proto(parameters: Parameters) -> risk_parameters_pb2.RiskParameters:
    """Returns parameters as they are set."""
    told = risk_parameters_pb2.RiskParameters(
        account_id=_told(parameters.account_id),
        environment=_environment(parameters.account_id),
        version=parameters.version,
        updated_at=_time(parameters.updated_at),
    )
    for name in DECIMALS:
        if (value := getattr(parameters, name)) is not None:
            setattr(told, name, format_decimal(value))
    for name in OTHERS:
        if (value := getattr(parameters, name)) is not None:
            setattr(told, name, value)
    return told


def limits_to_proto(account_id: str, limits: Limits) -> risk_parameters_pb2.RiskParameters:
    """Returns parameters as they hold: zero where there is no limit."""
    told = risk_parameters_pb2.RiskParameters(
        account_id=_told(account_id),
        environment=_environment(account_id),
        max_daily_trades=limits.daily_trades or 0,
        circuit_breaker_enabled=limits.breaker_enabled,
        circuit_breaker_refusals=limits.breaker_refusals,
    )
    values = (
        limits.order_size,
        limits.position_size,
        limits.order_value,
        limits.position_value,
        limits.band_percent,
        limits.daily_loss,
        limits.daily_volume,
    )
    for name, value in zip(DECIMALS, values, strict=True):
        setattr(told, name, "0" if value is None else format_decimal(value))
    return told


def _told(account_id: str) -> str:
    return "" if is_firm(account_id) else account_id


def _environment(account_id: str) -> trading_pb2.Environment.ValueType:
    return trading_pb2.Environment.ValueType(environment_of(account_id))


def _time(moment: datetime | None) -> Timestamp | None:
    return None if moment is None else timestamp(to_ns(moment))
