"""`ordermesh accounts`: accounts and their cash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.markup import escape

from ordermesh.portfolio.v1 import account_admin_pb2, account_pb2
from ordermesh.type.v1 import trading_pb2
from services.cli import options, output
from services.cli.address import Where
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run
from services.cli.output import Column

_COLUMNS = (
    Column("account"),
    Column("name"),
    Column("environment"),
    Column("currency"),
    Column("cash", number=True),
    Column("opened with", number=True),
)


def accounts(json: options.Json = False, address: options.Address = "", ca: options.Ca = None) -> None:
    """Lists accounts and the cash they have."""
    run(Where(address, ca), lambda mesh: _show(mesh, as_json=json))


async def _show(mesh: Mesh, *, as_json: bool) -> int:
    answer = await mesh.portfolios.ListAccounts(account_admin_pb2.ListAccountsRequest(page_size=1000))
    if as_json:
        output.print_json(answer)
        return ExitCode.DONE
    rows = [row for account in answer.accounts for row in _rows(account)]
    output.show(_COLUMNS, rows, "there are no accounts")
    if answer.next_page_token:
        output.say(f"the first {len(answer.accounts)} accounts")
    return ExitCode.DONE


def _rows(account: account_pb2.Account) -> Iterator[Sequence[str]]:
    environment = output.word(trading_pb2.Environment.Name(account.environment), "ENVIRONMENT_")
    first = (escape(account.account_id), escape(account.name), environment)
    for balance in account.balances or [account_pb2.CashBalance()]:
        yield (*first, balance.currency, output.grouped(balance.amount), output.grouped(balance.opening_amount))
        first = ("", "", "")
