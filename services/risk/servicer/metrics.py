"""Risk metrics as a message."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.risk.v1 import risk_metrics_pb2
from ordermesh.type.v1 import risk_breach_pb2
from services.kernel.decimals import ZERO, format_decimal
from services.risk.domain.exposure import Exposure
from services.risk.domain.uses import LimitUse
from services.risk.pipeline.metrics import Metrics

_EPOCH_DAY: Final = 719_163
_DAY_SECONDS: Final = 86_400
_HUNDRED: Final = Decimal(100)
_PLACES: Final = Decimal("0.01")


def metrics_to_proto(metrics: Metrics) -> risk_metrics_pb2.RiskMetrics:
    """Returns what an account risks."""
    account = metrics.account
    return risk_metrics_pb2.RiskMetrics(
        account_id=account.account_id,
        exposures=[_exposure(name, exposure) for name, exposure in metrics.exposures],
        day=Timestamp(seconds=(account.day - _EPOCH_DAY) * _DAY_SECONDS),
        day_trades=account.day_trades,
        day_volume=format_decimal(account.day_volume),
        day_profits=[
            risk_metrics_pb2.DayProfit(currency=currency, profit=format_decimal(profit))
            for currency, profit in sorted(account.day_profits().items())
        ],
        open_orders=account.open_orders,
        limit_uses=[_use(use) for use in metrics.uses],
    )


def _exposure(name: str, exposure: Exposure) -> risk_metrics_pb2.InstrumentExposure:
    reference = exposure.market.reference()
    price = exposure.last_price if reference is None else reference
    value = None if price is None else exposure.position * price * exposure.market.multiplier
    return risk_metrics_pb2.InstrumentExposure(
        instrument=name,
        currency=exposure.market.currency,
        position=format_decimal(exposure.position),
        open_buy_quantity=format_decimal(exposure.open_buy),
        open_sell_quantity=format_decimal(exposure.open_sell),
        open_orders=exposure.open_orders,
        most_long=format_decimal(exposure.most_long),
        most_short=format_decimal(exposure.most_short),
        reference_price="" if price is None else format_decimal(price),
        position_value="" if value is None else format_decimal(value),
        day_profit=format_decimal(exposure.day_profit()),
    )


def _use(use: LimitUse) -> risk_metrics_pb2.LimitUse:
    percent = (use.used * _HUNDRED / use.limit).quantize(_PLACES) if use.limit else ZERO
    return risk_metrics_pb2.LimitUse(
        rule=risk_breach_pb2.RiskRule.ValueType(use.rule),
        instrument=use.instrument,
        limit=format_decimal(use.limit),
        used=format_decimal(use.used),
        unit=use.unit,
        used_percent=format_decimal(percent),
    )
