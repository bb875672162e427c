"""Requests of the contract as domain objects."""

from __future__ import annotations

from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.marketdata.v1 import instrument_admin_pb2
from services.kernel.decimals import parse_positive
from services.kernel.errors import invalid_field
from services.kernel.instrument import InstrumentId
from services.kernel.money import parse_currency
from services.marketdata.domain.instrument import USUAL_MOST_LOTS, AssetClass, Terms
from services.marketdata.pipeline.ports import Page
from services.mesh.times import moment, span
from services.mesh.tokens import PageTokens, filters_of

DEFAULT_PAGE_SIZE = 100
DEFAULT_DEPTH = 10
_POSITION_PARTS = 2


class Named(Protocol):
    """A request that names an instrument in one part or in two."""

    instrument: str
    venue: str
    symbol: str


class Timed(Protocol):
    """A request for a page of the past."""

    page_size: int
    page_token: str

    @property
    def to(self) -> Timestamp:
        """End of the time asked for."""
        ...


def name_of(request: Named) -> str:
    """Returns the name of the instrument asked for; raises INVALID_FIELD."""
    if request.instrument and not (request.venue or request.symbol):
        return request.instrument
    if request.venue and request.symbol and not request.instrument:
        return f"{request.symbol}.{request.venue}"
    raise invalid_field("instrument", "give either the instrument, or both venue and symbol")


def terms_of(request: instrument_admin_pb2.CreateInstrumentRequest) -> Terms:
    """Returns the terms of an instrument to make; raises INVALID_FIELD."""
    lot = parse_positive(request.lot_size, "lot_size")
    return Terms(
        name=InstrumentId.parse(request.instrument),
        description=request.description,
        asset_class=AssetClass(request.asset_class),
        currency=parse_currency(request.currency),
        tick_size=parse_positive(request.tick_size, "tick_size").normalize(),
        lot_size=lot.normalize(),
        min_quantity=parse_positive(request.min_quantity, "min_quantity") if request.min_quantity else lot,
        max_quantity=(
            parse_positive(request.max_quantity, "max_quantity") if request.max_quantity else lot * USUAL_MOST_LOTS
        ),
        contract_multiplier=parse_positive(request.contract_multiplier or "1", "contract_multiplier"),
        expires_at=moment(request.expires_at, "expires_at") if request.HasField("expires_at") else None,
    )


class TimePages:
    """Pages of a list of the past, newest first."""

    def __init__(self, request: Timed) -> None:
        """Raises CodedError: INVALID_PAGE_TOKEN or INVALID_FIELD."""
        self._tokens = PageTokens(filters_of(request))  # type: ignore[arg-type]  # a protocol cannot say that it is a message
        position = self._tokens.read(request.page_token, _POSITION_PARTS)
        since, until = span(request)  # type: ignore[arg-type]  # as above
        self.page = Page(
            limit=request.page_size or DEFAULT_PAGE_SIZE,
            since=since,
            until=until,
            before=(int(position[0]), int(position[1])) if position is not None else None,
        )

    def token(self, time_ns: int, position: int) -> str:
        """Returns the token of the page after an entry."""
        return self._tokens.make(str(time_ns), str(position))
