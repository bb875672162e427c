"""Renders Envoy's configuration: `python -m gateway.render [--output FILE]`, addresses from the environment.

The result is one self-contained JSON document: descriptors, request checks and pages are inside, so that a container
needs nothing else. Where connections to services are encrypted, a second file beside it tells which certificate the
gateway shows: Envoy watches such a file, and what it names, for changes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from gateway.clusters import clusters, owners_socket, socket_address
from gateway.filters import connection_manager, keys_filters
from gateway.listeners import listeners, overload_manager
from gateway.routes import page, virtual_host
from gateway.settings import Address, Settings, SettingsError, from_environment
from gateway.tables import GEN, WEB, Tables, load_tables
from gateway.tokens import keys_cluster, keys_listener, keys_socket
from gateway.upstream_tls import secrets_document

# A caller that sends requests and takes them back at once (CVE-2023-44487) loses its connection; Envoy's own limits.
_RUNTIME = {
    "overload.premature_reset_total_stream_count": 500,
    "overload.premature_reset_min_stream_lifetime_seconds": 1,
    # Nor does one connection keep a worker from the others.
    "http.max_requests_per_io_cycle": 100,
}


_SECOND_FILE = ".secrets.json"
"""How the file ends, beside the configuration, that says where the certificate for services is."""


def render(settings: Settings, tables: Tables | None = None, output: Path | None = None) -> str:
    """The configuration as JSON (which Envoy reads as YAML), the same text for the same settings, contracts and file.

    But for the name, by chance, of the socket for keys where no path fits one.

    Args:
        settings: What it is made of.
        tables: The generated tables; those of this checkout where None.
        output: The file that it is to stand in, beside which are its secrets and the socket for keys.

    Raises:
        SettingsError: There is a certificate for services, and no file that it could stand beside.
    """
    return json.dumps(_bootstrap(settings, tables or load_tables(), output), indent=1) + "\n"


def _bootstrap(settings: Settings, tables: Tables, output: Path | None) -> dict[str, Any]:
    manager = connection_manager(settings, tables, virtual_host(settings, tables, _pages()))
    static = {
        "listeners": listeners(settings, manager),
        "clusters": clusters(settings, _beside(output, _SECOND_FILE)),
    }
    if settings.enforce_access:
        socket = keys_socket(_beside(output, ".keys.sock"))
        static["listeners"].append(keys_listener(socket, *keys_filters(settings, tables)))
        static["clusters"].append(keys_cluster(socket))
    return {
        "node": {"id": "gateway", "cluster": "ordermesh"},
        "admin": {"address": _admin(settings.admin), "ignore_global_conn_limit": True},
        "static_resources": static,
        "layered_runtime": {"layers": [{"name": "gateway", "static_layer": _RUNTIME}]},
        "overload_manager": overload_manager(settings),
    }


def _admin(where: Address | Path) -> dict[str, Any]:
    """Who reaches it may end Envoy, and read all that it holds."""
    if isinstance(where, Address):
        return socket_address(where)
    return owners_socket(where)


def _pages() -> list[dict[str, Any]]:
    return [
        page("/openapi.json", "application/json", (GEN / "openapi" / "openapi.json").read_text(encoding="utf-8")),
        page("/docs", "text/html; charset=utf-8", (WEB / "docs.html").read_text(encoding="utf-8")),
    ]


def _beside(output: Path | None, ending: str) -> Path | None:
    return None if output is None else output.resolve().with_suffix(ending)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns the exit code: 0 written, 2 a setting is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="file to write; standard output without it")
    output: Path | None = parser.parse_args(arguments).output
    tables = load_tables()
    try:
        settings = from_environment(os.environ, tables.areas)
        text = render(settings, tables, output)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    if output is None:
        print(text, end="")
        return 0
    if settings.upstream_certificate is not None:
        secrets = output.resolve().with_suffix(_SECOND_FILE)
        secrets.write_text(secrets_document(settings.upstream_certificate), encoding="utf-8")
    output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
