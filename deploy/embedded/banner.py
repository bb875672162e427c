"""What the person at the terminal reads once everything serves: where things are, and what to try first."""

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from deploy.embedded.first_users import FirstUser
from deploy.embedded.local_mesh import HOME, LocalMesh

ORDER = (
    '{{"client_order_id": "first-{how}", "account_id": "demo", "instrument": "AAPL.XNAS", "side": "SIDE_BUY",'
    ' "type": "ORDER_TYPE_MARKET", "time_in_force": "TIME_IN_FORCE_IOC", "quantity": "10"}}'
)


def banner(mesh: LocalMesh) -> str:
    """Return the text, in the console's markup."""
    gateway = mesh.ports.address("gateway")
    places = {
        "REST, gRPC, grpc-web": f"http://{gateway}",
        "the same with TLS": f"https://{mesh.ports.address('gateway_tls')}",
        "whose authority is": str(mesh.gateway_certificate.authority),
        "API page": f"http://{gateway}/docs",
        "health": f"http://{gateway}/health",
        "order service (mTLS)": mesh.ports.address("order"),
        "logs": f"{mesh.logs}/<name>.log",
        "data": str(mesh.directory),
    }
    lines = ["", "[bold green]Ordermesh is running.[/] Ctrl-C stops it; data stays.", ""]
    lines += [f"  {name:<22}{escape(place)}" for name, place in places.items()]
    if {"order", "gateway"} <= set(mesh.names):
        lines += _first_orders(gateway, _where(mesh))
    return "\n".join([*lines, ""])


def passwords(mesh: LocalMesh, users: Sequence[FirstUser]) -> str:
    """Return who was made at the first start, with their passwords, in the console's markup."""
    width = max(len(user.username) for user in users)
    lines = ["[bold yellow]These passwords are shown this once:[/]", ""]
    lines += [f"  {escape(user.username):<{width}}  {escape(user.password)}  [dim]{user.role}[/]" for user in users]
    login = f".venv/bin/ordermesh login --username {users[-1].username}{_where(mesh)}"
    return "\n".join([*lines, "", f"  {escape(login)}", ""])


def passwords_kept(path: Path) -> str:
    """Return where the passwords are when what is printed here may end in a file, in the console's markup."""
    return f"The passwords of the first users are in {escape(str(path))}, until a start on a terminal shows them.\n"


def _where(mesh: LocalMesh) -> str:
    return "" if mesh.directory == HOME else f" --address {mesh.ports.address('gateway')}"


def _first_orders(gateway: str, where: str) -> list[str]:
    shown = f'-H "authorization: Bearer $(.venv/bin/ordermesh token{where})"'
    tries = {
        "first of all": f".venv/bin/ordermesh login --username demo{where}",
        "by REST": f"curl -s http://{gateway}/api/v1/orders -H 'content-type: application/json' \\\n"
        f"    {shown} \\\n"
        f"    -d '{ORDER.format(how='rest')}'",
        "by gRPC": ".venv/bin/buf curl --schema gen/descriptors/ordermesh.binpb --protocol grpc "
        "--http2-prior-knowledge \\\n"
        f"    {shown} \\\n"
        f"    http://{gateway}/ordermesh.order.v1.OrderService/PlaceOrder \\\n"
        f"    -d '{ORDER.format(how='grpc')}'",
        "by command": f".venv/bin/ordermesh order buy AAPL.XNAS 10{where} && .venv/bin/ordermesh positions{where}",
    }
    lines = ["", "Place a first order:"]
    for name, command in tries.items():
        lines += ["", f"  [dim]# {name}[/]", f"  {escape(command)}"]
    return lines
