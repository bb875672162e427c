"""The methods about accounts."""

from __future__ import annotations

from ordermesh.portfolio.v1 import account_admin_pb2, account_cash_pb2, portfolio_query_pb2
from services.kernel.decimals import parse_non_negative, parse_positive
from services.mesh.interceptors.base import Context
from services.portfolio.codec import account_to_proto, valuation_to_proto
from services.portfolio.domain.account import DEFAULT_BASE_CURRENCY, NewAccount
from services.portfolio.domain.cash import CashChange, CashChangeKind
from services.portfolio.domain.values import Environment
from services.portfolio.servicer.desk import Desk, page


class AccountMethods:
    """Opens and tells accounts."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def CreateAccount(
        self, request: account_admin_pb2.CreateAccountRequest, _context: Context
    ) -> account_admin_pb2.CreateAccountResponse:
        """Opens an account."""
        account = await self._desk.books.open_account(_new_account(request))
        return account_admin_pb2.CreateAccountResponse(account=account_to_proto(account))

    async def GetAccount(
        self, request: account_admin_pb2.GetAccountRequest, _context: Context
    ) -> account_admin_pb2.GetAccountResponse:
        """Tells one account and its cash."""
        ledger = self._desk.ledger
        account = account_to_proto(ledger.account(request.account_id))
        return account_admin_pb2.GetAccountResponse(account=account, as_of=ledger.as_of(request.account_id))

    async def SetSimulationBalance(
        self, request: account_cash_pb2.SetSimulationBalanceRequest, _context: Context
    ) -> account_cash_pb2.SetSimulationBalanceResponse:
        """Sets the virtual cash of an account in one currency."""
        amount = parse_non_negative(request.amount, "amount")
        change = CashChange(
            request.account_id, request.request_id, CashChangeKind.SET, request.currency, amount, request.text
        )
        account = account_to_proto(await self._desk.cash.change(change))
        as_of = self._desk.ledger.as_of(request.account_id)
        return account_cash_pb2.SetSimulationBalanceResponse(account=account, as_of=as_of)

    async def ResetSimulationAccount(
        self, request: account_cash_pb2.ResetSimulationAccountRequest, _context: Context
    ) -> account_cash_pb2.ResetSimulationAccountResponse:
        """Gives an account the cash again that it was opened with."""
        change = CashChange(request.account_id, request.request_id, CashChangeKind.RESET, text=request.text)
        account = account_to_proto(await self._desk.cash.change(change))
        as_of = self._desk.ledger.as_of(request.account_id)
        return account_cash_pb2.ResetSimulationAccountResponse(account=account, as_of=as_of)

    async def ListAccounts(
        self, request: account_admin_pb2.ListAccountsRequest, _context: Context
    ) -> account_admin_pb2.ListAccountsResponse:
        """Lists accounts by their id."""
        ledger = self._desk.ledger
        wanted = [
            account
            for account in ledger.accounts.values()
            if request.environment in {0, account.environment.value} and self._desk.sees(account)
        ]
        accounts, token = page(wanted, request, lambda account: account.account_id)
        return account_admin_pb2.ListAccountsResponse(
            accounts=map(account_to_proto, accounts), next_page_token=token, as_of=ledger.as_of()
        )

    async def GetBalances(
        self, request: portfolio_query_pb2.GetBalancesRequest, _context: Context
    ) -> portfolio_query_pb2.GetBalancesResponse:
        """Tells an account's cash, positions and profit in each currency."""
        ledger = self._desk.ledger
        own = ledger.portfolio(ledger.account(request.account_id).portfolio_id)
        valuation = valuation_to_proto(self._desk.valuer.appraise(own))
        return portfolio_query_pb2.GetBalancesResponse(
            account_id=request.account_id, valuation=valuation, as_of=valuation.as_of
        )


def _new_account(request: account_admin_pb2.CreateAccountRequest) -> NewAccount:
    return NewAccount(
        account_id=request.account_id,
        name=request.name,
        environment=Environment(request.environment),
        base_currency=request.base_currency or DEFAULT_BASE_CURRENCY,
        balances=tuple(
            (balance.currency, parse_positive(balance.amount, f"balances[{index}].amount"))
            for index, balance in enumerate(request.balances)
        ),
    )
