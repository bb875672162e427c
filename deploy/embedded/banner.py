"""What the person at the terminal reads once everything serves: where things are, and what to try first."""

from rich.markup import escape

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
        "API page": f"http://{gateway}/docs",
        "health": f"http://{gateway}/health",
        "order service (gRPC)": mesh.ports.address("order"),
        "logs": f"{mesh.logs}/<name>.log",
        "data": str(mesh.directory),
    }
    lines = ["", "[bold green]Ordermesh is running.[/] Ctrl-C stops it; data stays.", ""]
    lines += [f"  {name:<22}{escape(place)}" for name, place in places.items()]
    if {"order", "gateway"} <= set(mesh.names):
        lines += _first_orders(gateway, "" if mesh.directory == HOME else f" --address {gateway}")
    return "\n".join([*lines, ""])


def _first_orders(gateway: str, where: str) -> list[str]:
    tries = {
        "by REST": f"curl -s http://{gateway}/api/v1/orders -H 'content-type: application/json' \\\n"
        f"    -d '{ORDER.format(how='rest')}'",
        "by gRPC": ".venv/bin/buf curl --schema gen/descriptors/ordermesh.binpb --protocol grpc "
        "--http2-prior-knowledge \\\n"
        f"    http://{gateway}/ordermesh.order.v1.OrderService/PlaceOrder \\\n"
        f"    -d '{ORDER.format(how='grpc')}'",
        "by command": f".venv/bin/ordermesh order buy AAPL.XNAS 10{where} && .venv/bin/ordermesh positions{where}",
    }
    lines = ["", "Place a first order:"]
    for name, command in tries.items():
        lines += ["", f"  [dim]# {name}[/]", f"  {escape(command)}"]
    return lines
