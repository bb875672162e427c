"""Domain objects to messages of the contract. Shared by what answers and by what is logged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.event.v1 import event_pb2
from ordermesh.portfolio.v1 import account_pb2, portfolio_pb2, position_pb2
from ordermesh.type.v1 import trading_pb2
from services.kernel.clock import to_ns
from services.kernel.decimals import ZERO, format_decimal
from services.mesh.streams import timestamp
from services.portfolio.domain.account import Account, Portfolio
from services.portfolio.domain.booking import PositionChange
from services.portfolio.domain.position import Position
from services.portfolio.domain.price import Price, Rate
from services.portfolio.domain.valuation import CurrencyTotal
from services.portfolio.pipeline.valuer import Appraisal, Valued

_BILLION = 1_000_000_000


def account_to_proto(account: Account) -> account_pb2.Account:
    """Returns an account."""
    return account_pb2.Account(
        account_id=account.account_id,
        name=account.name,
        environment=trading_pb2.Environment.ValueType(account.environment),
        base_currency=account.base_currency,
        balances=[
            account_pb2.CashBalance(
                currency=currency,
                amount=format_decimal(balance.amount),
                opening_amount=format_decimal(balance.opening),
            )
            for currency, balance in sorted(account.balances.items())
        ],
        portfolio_id=account.portfolio_id,
        created_at=timestamp(to_ns(account.created_at)),
        updated_at=timestamp(to_ns(account.updated_at)),
    )


def position_to_proto(position: Position) -> position_pb2.Position:
    """Returns a position without what it is worth."""
    message = position_pb2.Position()
    _write_position(message, position)
    return message


def _write_position(message: position_pb2.Position, position: Position) -> None:
    """Sets a position where it stays: a message that is put into another one is copied."""
    average = position.average_cost
    message.account_id = position.account_id
    message.instrument = position.instrument
    message.currency = position.currency
    message.contract_multiplier = format_decimal(position.multiplier)
    message.quantity = format_decimal(position.quantity)
    message.average_cost = "" if average is None else format_decimal(average)
    message.cost = format_decimal(position.cost)
    message.realised_profit = format_decimal(position.realised_profit)
    message.fees = format_decimal(position.fees)
    message.bought_quantity = format_decimal(position.bought)
    message.sold_quantity = format_decimal(position.sold)
    message.trade_count = position.trade_count
    message.order_sequence = position.order_sequence
    message.sequence = position.sequence
    message.opened_at.seconds, message.opened_at.nanos = divmod(position.opened_at_ns, _BILLION)
    message.updated_at.seconds, message.updated_at.nanos = divmod(position.updated_at_ns, _BILLION)


def valued_to_proto(valued: Valued) -> position_pb2.Position:
    """Returns a position with what it is worth."""
    message = position_to_proto(valued.position)
    message.value.CopyFrom(value_to_proto(valued.position, valued.price))
    return message


def value_to_proto(position: Position, price: Price | None) -> position_pb2.PositionValue:
    """Returns what a position is worth; one without values when no price is known."""
    if price is None:
        return position_pb2.PositionValue()
    return position_pb2.PositionValue(
        price=format_decimal(price.value),
        price_source=position_pb2.PriceSource.ValueType(price.source),
        stale=price.stale,
        market_value=format_decimal(position.market_value(price.value)),
        unrealised_profit=format_decimal(position.unrealised_profit(price.value)),
        price_time=timestamp(price.at_ns) if price.at_ns else None,
    )


def change_to_event(change: PositionChange, epoch: str, at: Timestamp) -> event_pb2.Event:
    """Returns the entry of the log of positions for a booking."""
    adjustment, difference = change.fill.adjustment, change.fee_difference
    event = event_pb2.Event(
        epoch=epoch,
        sequence=change.sequence,
        previous_sequence=change.sequence - 1,
        topic=event_pb2.TOPIC_POSITION_UPDATED,
        time=at,
    )
    message = event.position_change
    message.sequence = change.sequence
    _write_position(message.position, change.position)
    message.trade_id = change.fill.trade_id
    message.order_sequence = change.fill.sequence
    message.realised_profit = format_decimal(change.realised_profit)
    message.fee = format_decimal(change.fill.fee if difference is None else difference)
    message.cash = format_decimal(change.cash)
    if adjustment is not None:
        message.adjusted_by_execution_id = adjustment.execution_id
    return event


def portfolio_to_proto(portfolio: Portfolio) -> portfolio_pb2.Portfolio:
    """Returns a portfolio."""
    return portfolio_pb2.Portfolio(
        portfolio_id=portfolio.portfolio_id,
        account_id=portfolio.account_id,
        name=portfolio.name,
        description=portfolio.description,
        base_currency=portfolio.base_currency,
        account_own=portfolio.account_own,
        instruments=sorted(portfolio.instruments),
        version=portfolio.version,
        created_at=timestamp(to_ns(portfolio.created_at)),
        updated_at=timestamp(to_ns(portfolio.updated_at)),
    )


def valuation_to_proto(appraisal: Appraisal) -> portfolio_pb2.Valuation:
    """Returns what a portfolio is worth."""
    valuation, total = appraisal.valuation, appraisal.valuation.total
    return portfolio_pb2.Valuation(
        base_currency=valuation.base_currency,
        currencies=[_total_to_proto(each) for each in valuation.currencies],
        cash=format_decimal(total.cash),
        market_value=format_decimal(total.market_value),
        equity=format_decimal(total.equity),
        realised_profit=format_decimal(total.realised_profit),
        unrealised_profit=format_decimal(total.unrealised_profit),
        fees=format_decimal(total.fees),
        unconverted_currencies=valuation.unconverted,
        unpriced_positions=valuation.unpriced,
        stale=valuation.stale,
        valued_at=timestamp(appraisal.at_ns),
        as_of=appraisal.as_of,
    )


def appraisal_to_proto(appraisal: Appraisal, positions: Iterable[Valued] = ()) -> portfolio_pb2.PortfolioValue:
    """Returns what a portfolio is worth, with some of its positions."""
    return portfolio_pb2.PortfolioValue(
        portfolio_id=appraisal.portfolio.portfolio_id,
        account_id=appraisal.portfolio.account_id,
        valuation=valuation_to_proto(appraisal),
        positions=[valued_to_proto(each) for each in positions],
        sequence=appraisal.sequence,
    )


def appraisal_to_event(appraisal: Appraisal) -> event_pb2.Event:
    """Returns what the bus is told of a portfolio's worth; its place is set when it is sent."""
    return event_pb2.Event(
        topic=event_pb2.TOPIC_PORTFOLIO_UPDATED,
        time=timestamp(appraisal.at_ns),
        portfolio_value=appraisal_to_proto(appraisal),
    )


def positions_to_proto(positions: Sequence[Valued]) -> list[position_pb2.Position]:
    """Returns positions with what they are worth."""
    return [valued_to_proto(each) for each in positions]


def _total_to_proto(total: CurrencyTotal) -> portfolio_pb2.CurrencyTotal:
    amounts = total.amounts
    return portfolio_pb2.CurrencyTotal(
        currency=total.currency,
        cash=format_decimal(amounts.cash),
        opening_cash=format_decimal(total.opening_cash),
        market_value=format_decimal(amounts.market_value),
        equity=format_decimal(amounts.equity),
        realised_profit=format_decimal(amounts.realised_profit),
        unrealised_profit=format_decimal(amounts.unrealised_profit),
        fees=format_decimal(amounts.fees),
        unpriced_positions=total.unpriced,
        base_rate=_rate(total.rate),
    )


def _rate(rate: Rate | None) -> str:
    return "" if rate is None else format_decimal(rate.value.quantize(_RATE_PLACES, ROUND_HALF_EVEN) or ZERO)


_RATE_PLACES = Decimal(1).scaleb(-12)
