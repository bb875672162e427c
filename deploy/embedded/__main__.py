"""`python -m deploy.embedded`: the whole mesh on this machine until Ctrl-C; what `make run` calls.

`certificate NAME` instead issues to a client that calls services without the gateway.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deploy.embedded.banner import banner, passwords, passwords_kept
from deploy.embedded.certificate_command import issue
from deploy.embedded.display import Display
from deploy.embedded.errors import DeployError
from deploy.embedded.first_users import FirstUsers
from deploy.embedded.local_mesh import HOME, LocalMesh
from deploy.embedded.plan import DEFAULT_BASE_PORT, NAMES, Ports
from deploy.embedded.state import StateFile, only_one
from deploy.embedded.supervisor import Runner, Supervisor

FIRST_BASE_PORT = 1024
LAST_BASE_PORT = 65_535 - 99
MOVE = "Move all ports with `make run PORT=9080` (or ORDERMESH_PORT_BASE=9080)."


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code: 0 stopped as asked, 1 could not start."""
    arguments, console = sys.argv[1:] if arguments is None else arguments, Console()
    try:
        if arguments[:1] == ["certificate"]:
            return issue(arguments[1:], HOME)
        options = _parser().parse_args(arguments)
        mesh = _mesh(options)
        with only_one(mesh.run):
            asyncio.run(_run(mesh, console))
    except (DeployError, OSError) as error:
        console.print(f"[red]ordermesh:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        return 1
    return 0


def _mesh(options: argparse.Namespace) -> LocalMesh:
    mesh = LocalMesh.at(options.directory, Ports.from_base(options.port), options.parts, shards=options.shards)
    return replace(mesh, settings=FirstUsers(mesh.run).settings(os.environ))


async def _run(mesh: LocalMesh, console: Console) -> None:
    state = StateFile(mesh.run, mesh.addresses() | mesh.certificates.command() | mesh.gateway_certificate.told())
    state.end_leftovers()
    mesh.ports.require_free(mesh.names, MOVE)
    display = Display(console)

    def told(runner: Runner, detail: str) -> None:
        display.told(runner, detail)
        state.write(supervisor.runners)

    supervisor = Supervisor(mesh.components(), told=told, certificates=mesh.certificates)
    asked_to_stop = _listen_for_signals(supervisor)
    display.begin(supervisor.runners)
    try:
        started = await _unless(asked_to_stop, supervisor.start())
    finally:
        display.end()
    if started:
        console.print(banner(mesh), highlight=False, soft_wrap=True)
        _show_first_users(mesh, console)
        keeping = asyncio.create_task(mesh.access_log.keep_small())
        await asked_to_stop.wait()
        keeping.cancel()
        console.print("Stopping. Data stays in", mesh.directory, highlight=False)
    await supervisor.stop()
    state.remove()


def _show_first_users(mesh: LocalMesh, console: Console) -> None:
    """Show who was made at the first start, on a terminal alone: what is printed elsewhere ends in a log."""
    first_users = FirstUsers(mesh.run)
    if "identity" not in mesh.names or not (users := first_users.made()):
        return
    if not console.file.isatty():
        console.print(passwords_kept(first_users.path), highlight=False, soft_wrap=True)
        return
    console.print(passwords(mesh, users), highlight=False, soft_wrap=True)
    # Only now: shown twice after a crash is better than never.
    first_users.forget()


async def _unless(asked_to_stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Do the work unless asked to stop meanwhile; tell whether it was done."""
    doing = asyncio.ensure_future(work)
    stop = asyncio.ensure_future(asked_to_stop.wait())
    await asyncio.wait([doing, stop], return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if doing.done():
        await doing
        return True
    doing.cancel()
    await asyncio.wait([doing])
    return False


def _listen_for_signals(supervisor: Supervisor) -> asyncio.Event:
    """Return an event that the first signal to stop sets; the second one ends everything by force."""
    asked = asyncio.Event()

    def stop() -> None:
        if asked.is_set():
            supervisor.kill_all()
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return asked


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.embedded", description=__doc__)
    parser.add_argument(
        "--port",
        type=_base_port,
        default=os.environ.get("ORDERMESH_PORT_BASE", str(DEFAULT_BASE_PORT)),
        help="port of the gateway; everything else follows in the hundred above (default: %(default)s)",
    )
    parser.add_argument(
        "--shards",
        type=int,
        default=os.environ.get("ORDERMESH_ORDER_SHARDS", "1"),
        help="shards of OrderService, which the data keep for ever (default: %(default)s)",
    )
    parser.add_argument("--directory", type=Path, default=HOME, help="where data, logs and run state live")
    parser.add_argument(
        "parts", nargs="*", default=NAMES, help="parts to run, with all they need (default: everything)"
    )
    return parser


def _base_port(text: str) -> int:
    if not text.isdecimal() or not FIRST_BASE_PORT <= int(text) <= LAST_BASE_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port between {FIRST_BASE_PORT} and {LAST_BASE_PORT}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
