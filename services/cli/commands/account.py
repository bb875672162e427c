"""`ordermesh account`: the virtual cash of a simulation account."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from ordermesh.portfolio.v1 import account_cash_pb2, account_pb2
from services.cli import options, output
from services.cli.address import Where
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run

account = typer.Typer(no_args_is_help=True, help="Sets and resets the virtual cash of a simulation account.")

Account = Annotated[str, typer.Argument(help="Account, one of the simulation.", metavar="ACCOUNT")]
Text = Annotated[str, typer.Option("--text", help="Why, for the record.")]
RequestId = Annotated[
    str, typer.Option("--request-id", help="Names this change, so that it is made once however often it is sent.")
]


@account.command("set-balance")
def set_balance(  # noqa: PLR0917 - each is a part of the command line
    account: Account,
    currency: Annotated[str, typer.Argument(help="Currency.")],
    amount: Annotated[str, typer.Argument(help="Cash that there shall be.")],
    text: Text = "",
    request_id: RequestId = "",
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Sets the cash in one currency. For admins."""
    request = account_cash_pb2.SetSimulationBalanceRequest(
        account_id=account,
        request_id=request_id or str(uuid.uuid4()),
        currency=currency.upper(),
        amount=amount,
        text=text,
    )

    async def work(mesh: Mesh) -> int:
        return _told((await mesh.portfolios.SetSimulationBalance(request)).account, as_json=json)

    run(Where(address, ca), work)


@account.command("reset")
def reset(
    account: Account,
    text: Text = "",
    request_id: RequestId = "",
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Gives the account the cash again that it was opened with. It must have no positions and no live orders."""
    request = account_cash_pb2.ResetSimulationAccountRequest(
        account_id=account, request_id=request_id or str(uuid.uuid4()), text=text
    )

    async def work(mesh: Mesh) -> int:
        return _told((await mesh.portfolios.ResetSimulationAccount(request)).account, as_json=json)

    run(Where(address, ca), work)


def _told(account: account_pb2.Account, *, as_json: bool) -> int:
    if as_json:
        output.print_json(account)
        return ExitCode.DONE
    cash = ", ".join(f"{output.grouped(each.amount)} {each.currency}" for each in account.balances)
    output.say(f"account {account.account_id} has {cash or 'no cash'}")
    return ExitCode.DONE
