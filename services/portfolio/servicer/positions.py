"""The methods about positions."""

from __future__ import annotations

from ordermesh.portfolio.v1 import position_query_pb2
from services.kernel.errors import invalid_field, not_found
from services.mesh.interceptors.base import Context
from services.portfolio.codec import positions_to_proto, valued_to_proto
from services.portfolio.servicer.desk import Desk, page


class PositionMethods:
    """Tells positions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def ListPositions(
        self, request: position_query_pb2.ListPositionsRequest, _context: Context
    ) -> position_query_pb2.ListPositionsResponse:
        """Lists an account's positions by instrument, with what they are worth."""
        ledger, valuer = self._desk.ledger, self._desk.valuer
        own = ledger.portfolio(ledger.account(request.account_id).portfolio_id)
        wanted = valuer.positions(own, include_closed=request.include_closed)
        positions, token = page(wanted, request, lambda valued: valued.position.instrument)
        return position_query_pb2.ListPositionsResponse(
            positions=positions_to_proto(positions), next_page_token=token, as_of=ledger.as_of(own.account_id)
        )

    async def GetPosition(
        self, request: position_query_pb2.GetPositionRequest, _context: Context
    ) -> position_query_pb2.GetPositionResponse:
        """Tells one position."""
        ledger, instrument = self._desk.ledger, _instrument_of(request)
        account = ledger.account(request.account_id)
        if (position := ledger.positions_of(account.account_id).get(instrument)) is None:
            raise not_found("UNKNOWN_POSITION", f"account {account.account_id} never traded {instrument}")
        return position_query_pb2.GetPositionResponse(
            position=valued_to_proto(self._desk.valuer.valued(position)), as_of=ledger.as_of(account.account_id)
        )


def _instrument_of(request: position_query_pb2.GetPositionRequest) -> str:
    if request.instrument:
        if request.venue or request.symbol:
            raise invalid_field("instrument", "must be empty when venue and symbol are given")
        return request.instrument
    if not request.symbol:
        raise invalid_field("symbol" if request.venue else "instrument", "must be given")
    if not request.venue:
        raise invalid_field("venue", "must be given")
    return f"{request.symbol}.{request.venue}"
