"""`ordermesh risk`: the kill switches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from ordermesh.risk.v1 import trading_state_admin_pb2, trading_state_pb2
from services.cli import options, output
from services.cli.address import Where
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run
from services.cli.output import Column

_COLUMNS = (
    Column("whose"),
    Column("state"),
    Column("open orders"),
    Column("since"),
    Column("why"),
)
_PREFIX = "TRADING_STATE_"

Whose = Annotated[str, typer.Option("--account", metavar="ID", help="The account; or --firm.")]
Firm = Annotated[bool, typer.Option("--firm", help="Every account.")]
Why = Annotated[str, typer.Option("--text", metavar="WHY", help="Why, for the record.")]

risk = typer.Typer(no_args_is_help=True, help="Stops trading of an account or of the firm, and resumes it.")


@risk.command()
def stop(
    *,
    account: Whose = "",
    firm: Firm = False,
    reducing: Annotated[bool, typer.Option("--reducing", help="Orders that reduce a position stay allowed.")] = False,
    keep_orders: Annotated[bool, typer.Option("--keep-orders", help="Open orders are not canceled.")] = False,
    text: Why = "",
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Refuses new orders and cancels open ones, until `ordermesh risk resume`."""
    _check_scope(account, firm=firm)
    state = trading_state_pb2.TRADING_STATE_REDUCING if reducing else trading_state_pb2.TRADING_STATE_HALTED
    request = trading_state_admin_pb2.EmergencyStopRequest(state=state, cancel_open_orders=not keep_orders, text=text)
    if firm:
        request.firm = True
    else:
        request.account_id = account
    run(Where(address, ca), lambda mesh: _stop(mesh, request, as_json=json))


@risk.command()
def resume(
    account: Whose = "",
    firm: Firm = False,
    text: Why = "",
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Lets an account, or the firm, trade again."""
    _check_scope(account, firm=firm)
    request = trading_state_admin_pb2.ResumeRequest(text=text)
    if firm:
        request.firm = True
    else:
        request.account_id = account
    run(Where(address, ca), lambda mesh: _resume(mesh, request, as_json=json))


@risk.command()
def state(
    account: options.Account = options.DEMO,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Tells whether an account and the firm may trade; `--account ''` tells only of the firm."""
    request = trading_state_admin_pb2.GetTradingStateRequest(account_id=account)
    run(Where(address, ca), lambda mesh: _state(mesh, request, as_json=json))


def _check_scope(account: str, *, firm: bool) -> None:
    if bool(account) == firm:
        raise typer.BadParameter("give --account ID for one account, or --firm for all")


async def _stop(mesh: Mesh, request: trading_state_admin_pb2.EmergencyStopRequest, *, as_json: bool) -> int:
    answer = await mesh.risk.EmergencyStop(request)
    if as_json:
        output.print_json(answer)
        return ExitCode.DONE
    output.console().print(escape(_sentence(answer.kill_switch, answer.effective_state)))
    if request.cancel_open_orders:
        orders = "order" if answer.canceled_orders == 1 else "orders"
        output.console().print(f"cancel of {answer.canceled_orders} open {orders} asked for")
    return ExitCode.DONE


async def _resume(mesh: Mesh, request: trading_state_admin_pb2.ResumeRequest, *, as_json: bool) -> int:
    answer = await mesh.risk.Resume(request)
    if as_json:
        output.print_json(answer)
    else:
        output.console().print(escape(_sentence(answer.kill_switch, answer.effective_state)))
    return ExitCode.DONE


async def _state(mesh: Mesh, request: trading_state_admin_pb2.GetTradingStateRequest, *, as_json: bool) -> int:
    answer = await mesh.risk.GetTradingState(request)
    if as_json:
        output.print_json(answer)
        return ExitCode.DONE
    switches = [answer.account] * answer.HasField("account") + [answer.firm]
    output.show(_COLUMNS, [_row(switch) for switch in switches], "nothing is known")
    return ExitCode.DONE


def _sentence(switch: trading_state_pb2.KillSwitch, effective: trading_state_pb2.TradingState.ValueType) -> str:
    told = f"{switch.account_id or 'the firm'} is {_word(switch.state)}"
    return told if effective == switch.state else f"{told}, but the firm is {_word(effective)}"


def _row(switch: trading_state_pb2.KillSwitch) -> Sequence[str]:
    return (
        escape(switch.account_id) or "the firm",
        _word(switch.state),
        "canceled" if switch.cancel_open_orders else "stay",
        output.local_time(switch.changed_at),
        escape(switch.text),
    )


def _word(number: trading_state_pb2.TradingState.ValueType) -> str:
    return output.word(trading_state_pb2.TradingState.Name(number), _PREFIX)
