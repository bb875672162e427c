"""`ordermesh login`, `logout`, `whoami` and `token`: who the command acts for."""

from __future__ import annotations

import socket
import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from ordermesh.identity.v1 import authentication_pb2, profile_pb2, session_pb2, user_pb2
from ordermesh.type.v1 import trading_pb2
from services.cli import options, output
from services.cli.address import Where
from services.cli.failure import NOBODY, ExitCode
from services.cli.mesh import Mesh, asked, run
from services.cli.output import Column
from services.kernel.errors import CodedError, ErrorKind, unauthenticated

_COLUMNS = (
    Column("user"),
    Column("environment"),
    Column("roles"),
    Column("accounts"),
    Column("second factor"),
    Column("name"),
)
_MOST_CLIENT = 100
_LEAST_SECONDS = 60.0
"""What is left of the life of a token that is shown."""


class Environment(StrEnum):
    """A world that users live in."""

    SIMULATION = "simulation"
    LIVE = "live"


Username = Annotated[str, typer.Option("--username", metavar="NAME", help="Who logs in; asked for when left out.")]
World = Annotated[Environment, typer.Option("--environment", help="The world that the user lives in.")]


def login(
    username: Username = "",
    environment: World = Environment.SIMULATION,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Logs in; the other commands act for that user until `ordermesh logout`.

    Asks for the password, and for the code of the second factor where there is one. Where standard input is no terminal
    they are its first and second line.
    """
    request = authentication_pb2.LoginRequest(
        username=username or _named(),
        environment=trading_pb2.Environment.Value(f"ENVIRONMENT_{environment.name}"),
        password=_asked_for("Password", hidden=True),
        client=f"ordermesh on {socket.gethostname()}"[:_MOST_CLIENT],
    )
    challenge = asked(Where(address, ca), lambda mesh: _login(mesh, request, as_json=json), logged_in=False)
    if challenge is None:
        raise typer.Exit(ExitCode.DONE)
    code = _asked_for("Code of the second factor")
    answer = authentication_pb2.VerifySecondFactorRequest(challenge=challenge, code=code)
    raise typer.Exit(asked(Where(address, ca), lambda mesh: _verify(mesh, answer, as_json=json), logged_in=False))


def logout(json: options.Json = False, address: options.Address = "", ca: options.Ca = None) -> None:
    """Logs out; the tokens are removed even when the mesh cannot be told."""
    raise typer.Exit(asked(Where(address, ca), lambda mesh: _logout(mesh, as_json=json), logged_in=False))


def whoami(json: options.Json = False, address: options.Address = "", ca: options.Ca = None) -> None:
    """Tells who is logged in."""
    run(Where(address, ca), lambda mesh: _whoami(mesh, as_json=json))


def token(address: options.Address = "", ca: options.Ca = None) -> None:
    """Prints an access token of who is logged in, good for a minute at least: for scripts, and other programs.

    Such as: curl -H "authorization: Bearer $(ordermesh token)" http://127.0.0.1:8080/api/v1/orders?account_id=demo
    """
    raise typer.Exit(asked(Where(address, ca), _token, logged_in=False))


def _named() -> str:
    if not sys.stdin.isatty():
        raise typer.BadParameter("give --username")
    return str(typer.prompt("Username", err=True))


def _asked_for(what: str, *, hidden: bool = False) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=hidden, err=True))
    try:
        line = sys.stdin.readline().rstrip("\r\n")
        line.encode()
    except UnicodeError:
        line = ""
    if not line:
        raise typer.BadParameter(f"standard input has no line of text for it: {what.lower()}")
    return line


async def _login(mesh: Mesh, request: authentication_pb2.LoginRequest, *, as_json: bool) -> str | None:
    answer = await mesh.identity.Login(request)
    if answer.WhichOneof("result") == "challenge":
        return answer.challenge.challenge
    await _keep(mesh, answer.tokens, as_json=as_json)
    return None


async def _verify(mesh: Mesh, request: authentication_pb2.VerifySecondFactorRequest, *, as_json: bool) -> int:
    answer = await mesh.identity.VerifySecondFactor(request)
    return await _keep(mesh, answer.tokens, as_json=as_json)


async def _keep(mesh: Mesh, tokens: session_pb2.Tokens, *, as_json: bool) -> int:
    await mesh.login.keep(tokens)
    return await _whoami(mesh, as_json=as_json)


async def _logout(mesh: Mesh, *, as_json: bool) -> int:
    try:
        told = await _end_session(mesh)
    except CodedError as error:
        await mesh.login.forget()
        output.say("the tokens are removed from this machine; the session ends by itself")
        raise error from None
    removed = await mesh.login.forget()
    if as_json:
        output.print_json({"address": mesh.address, "logged_out": told or removed})
    elif told or removed:
        output.console().print(escape(f"logged out at {mesh.address}"))
    else:
        output.say(f"nobody is logged in at {mesh.address}")
    return ExitCode.DONE


async def _end_session(mesh: Mesh) -> bool:
    try:
        if not await mesh.login.begin():
            return False
        await mesh.identity.Logout(authentication_pb2.LogoutRequest())
    except CodedError as error:
        if error.kind is not ErrorKind.UNAUTHENTICATED:  # else it has ended before
            raise
    return True


async def _whoami(mesh: Mesh, *, as_json: bool) -> int:
    answer = await mesh.identity.GetProfile(profile_pb2.GetProfileRequest())
    if as_json:
        output.print_json(answer)
    else:
        output.show(_COLUMNS, [_row(answer.user)], "nobody is logged in")
    return ExitCode.DONE


async def _token(mesh: Mesh) -> int:
    shown = await mesh.login.access_token(_LEAST_SECONDS)
    if not shown:
        raise unauthenticated("INVALID_TOKEN", NOBODY)
    # As it is, whatever the width of a terminal.
    sys.stdout.write(f"{shown}\n")
    return ExitCode.DONE


def _row(user: user_pb2.User) -> tuple[str, ...]:
    return (
        escape(user.username),
        output.word(trading_pb2.Environment.Name(user.environment), "ENVIRONMENT_"),
        ", ".join(output.word(user_pb2.Role.Name(role), "ROLE_") for role in user.roles),
        escape(", ".join(user.account_ids)),
        "yes" if user.second_factor else "no",
        escape(user.display_name),
    )
