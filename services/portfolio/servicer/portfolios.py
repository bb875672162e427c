"""The methods about portfolios."""

from __future__ import annotations

from ordermesh.portfolio.v1 import portfolio_admin_pb2, portfolio_query_pb2
from services.mesh.interceptors.base import Context
from services.portfolio.codec import portfolio_to_proto, positions_to_proto, valuation_to_proto
from services.portfolio.pipeline.portfolios import PortfolioTerms
from services.portfolio.servicer.desk import Desk, page, portfolio_of


class PortfolioMethods:
    """Makes, changes and tells portfolios."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def CreatePortfolio(
        self, request: portfolio_admin_pb2.CreatePortfolioRequest, _context: Context
    ) -> portfolio_admin_pb2.CreatePortfolioResponse:
        """Makes a portfolio of chosen instruments."""
        terms = PortfolioTerms(request.name, request.description, request.base_currency)
        made = await self._desk.portfolios.create(request.account_id, terms, request.instruments)
        return portfolio_admin_pb2.CreatePortfolioResponse(portfolio=portfolio_to_proto(made))

    async def UpdatePortfolio(
        self, request: portfolio_admin_pb2.UpdatePortfolioRequest, _context: Context
    ) -> portfolio_admin_pb2.UpdatePortfolioResponse:
        """Changes the terms of a portfolio."""
        terms = PortfolioTerms(request.name, request.description, request.base_currency)
        changed = await self._desk.portfolios.update(request.portfolio_id, terms, request.version)
        return portfolio_admin_pb2.UpdatePortfolioResponse(portfolio=portfolio_to_proto(changed))

    async def DeletePortfolio(
        self, request: portfolio_admin_pb2.DeletePortfolioRequest, _context: Context
    ) -> portfolio_admin_pb2.DeletePortfolioResponse:
        """Deletes a portfolio."""
        gone = await self._desk.portfolios.delete(request.portfolio_id)
        return portfolio_admin_pb2.DeletePortfolioResponse(portfolio=portfolio_to_proto(gone))

    async def AddPortfolioPosition(
        self, request: portfolio_admin_pb2.AddPortfolioPositionRequest, _context: Context
    ) -> portfolio_admin_pb2.AddPortfolioPositionResponse:
        """Puts the position in an instrument into a portfolio."""
        changed = await self._desk.portfolios.add(request.portfolio_id, request.instrument)
        return portfolio_admin_pb2.AddPortfolioPositionResponse(portfolio=portfolio_to_proto(changed))

    async def RemovePortfolioPosition(
        self, request: portfolio_admin_pb2.RemovePortfolioPositionRequest, _context: Context
    ) -> portfolio_admin_pb2.RemovePortfolioPositionResponse:
        """Takes the position in an instrument out of a portfolio."""
        changed = await self._desk.portfolios.remove(request.portfolio_id, request.instrument)
        return portfolio_admin_pb2.RemovePortfolioPositionResponse(portfolio=portfolio_to_proto(changed))

    async def GetPortfolio(
        self, request: portfolio_query_pb2.GetPortfolioRequest, _context: Context
    ) -> portfolio_query_pb2.GetPortfolioResponse:
        """Tells a portfolio and what it is worth."""
        portfolio = portfolio_of(self._desk.ledger, request)
        valuation = valuation_to_proto(self._desk.valuer.appraise(portfolio))
        return portfolio_query_pb2.GetPortfolioResponse(
            portfolio=portfolio_to_proto(portfolio), valuation=valuation, as_of=valuation.as_of
        )

    async def ListPortfolios(
        self, request: portfolio_query_pb2.ListPortfoliosRequest, _context: Context
    ) -> portfolio_query_pb2.ListPortfoliosResponse:
        """Lists portfolios, oldest first."""
        ledger = self._desk.ledger
        if request.account_id:
            wanted = ledger.portfolios_of(ledger.account(request.account_id).account_id)
        else:
            wanted = [each for each in ledger.portfolios.values() if self._desk.sees(ledger.accounts[each.account_id])]
        # The ids are UUIDv7: by id is by time.
        portfolios, token = page(wanted, request, lambda portfolio: portfolio.portfolio_id)
        return portfolio_query_pb2.ListPortfoliosResponse(
            portfolios=map(portfolio_to_proto, portfolios), next_page_token=token
        )

    async def ListPortfolioPositions(
        self, request: portfolio_query_pb2.ListPortfolioPositionsRequest, _context: Context
    ) -> portfolio_query_pb2.ListPortfolioPositionsResponse:
        """Lists the positions of a portfolio by instrument, with what they are worth."""
        ledger, valuer = self._desk.ledger, self._desk.valuer
        portfolio = portfolio_of(ledger, request)
        wanted = valuer.positions(portfolio, include_closed=request.include_closed)
        positions, token = page(wanted, request, lambda valued: valued.position.instrument)
        return portfolio_query_pb2.ListPortfolioPositionsResponse(
            positions=positions_to_proto(positions),
            next_page_token=token,
            as_of=ledger.as_of(portfolio.account_id),
        )
