"""Renders Envoy's configuration: `python -m gateway.render [--output FILE]`, addresses from the environment.

The result is one self-contained JSON document: descriptors, request checks and pages are inside, so that a container
needs nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from gateway.clusters import clusters, socket_address
from gateway.filters import connection_manager, keys_filters
from gateway.listeners import listeners, overload_manager
from gateway.routes import page, virtual_host
from gateway.settings import Settings, SettingsError, from_environment
from gateway.tables import GEN, WEB, Tables, load_tables
from gateway.tokens import internal_listeners, keys_cluster, keys_listener

# A caller that sends requests and takes them back at once (CVE-2023-44487) loses its connection; Envoy's own limits.
_RUNTIME = {
    "overload.premature_reset_total_stream_count": 500,
    "overload.premature_reset_min_stream_lifetime_seconds": 1,
    # Nor does one connection keep a worker from the others.
    "http.max_requests_per_io_cycle": 100,
}


def render(settings: Settings, tables: Tables | None = None) -> str:
    """The configuration as JSON (which Envoy reads as YAML), the same text for the same settings and contracts."""
    return json.dumps(_bootstrap(settings, tables or load_tables()), indent=1) + "\n"


def _bootstrap(settings: Settings, tables: Tables) -> dict[str, Any]:
    manager = connection_manager(settings, tables, virtual_host(settings, tables, _pages()))
    static = {"listeners": listeners(settings, manager), "clusters": clusters(settings)}
    if settings.enforce_access:
        static["listeners"].append(keys_listener(*keys_filters(settings, tables)))
        static["clusters"].append(keys_cluster())
    return {
        "node": {"id": "gateway", "cluster": "ordermesh"},
        "admin": {"address": socket_address(settings.admin), "ignore_global_conn_limit": True},
        "bootstrap_extensions": [internal_listeners()] if settings.enforce_access else [],
        "static_resources": static,
        "layered_runtime": {"layers": [{"name": "gateway", "static_layer": _RUNTIME}]},
        "overload_manager": overload_manager(settings),
    }


def _pages() -> list[dict[str, Any]]:
    return [
        page("/openapi.json", "application/json", (GEN / "openapi" / "openapi.json").read_text(encoding="utf-8")),
        page("/docs", "text/html; charset=utf-8", (WEB / "docs.html").read_text(encoding="utf-8")),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns the exit code: 0 written, 2 a setting is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="file to write; standard output without it")
    output: Path | None = parser.parse_args(arguments).output
    tables = load_tables()
    try:
        text = render(from_environment(os.environ, tables.areas), tables)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    if output is None:
        print(text, end="")
    else:
        output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
