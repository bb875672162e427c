"""Ports: which are free, and who holds one that is not."""

import socket
from contextlib import closing
from pathlib import Path

import psutil

HOST = "127.0.0.1"


def unused_port() -> int:
    """Return a port that nobody uses and that the kernel gives to nobody else for a minute.

    The port is left in TIME_WAIT: servers, which set SO_REUSEADDR, can bind it, but the kernel does not hand it out
    again to who asks for any port. So two test runs beside each other do not pick the same one.
    """
    with closing(socket.socket()) as server, closing(socket.socket()) as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((HOST, 0))
        server.listen(1)
        port: int = server.getsockname()[1]
        client.connect((HOST, port))
        accepted, _ = server.accept()
        accepted.close()
        return port


def is_free(port: int) -> bool:
    """Tell whether a server could listen on `port` now."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def holder(port: int) -> str:
    """Describe the process that listens on `port`, as far as this user may see it."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        connections = []
    for connection in connections:
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            return _describe(connection.pid)
    return "another process"


def _describe(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    try:
        process = psutil.Process(pid)
        directory = Path(process.cwd())
        return f"{process.name()} (process {pid}, started in {directory})"
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return f"process {pid}"
