"""Runs the protoc of the grpcio-tools wheel (never the system's, whose version differs from machine to machine)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


class ContractError(Exception):
    """The contracts cannot be compiled, generated from or accepted; the message is for the person who wrote them."""


def run_protoc(arguments: Sequence[str]) -> None:
    """Runs protoc, raising `ContractError` with protoc's own message when it refuses."""
    command = [sys.executable, "-m", "grpc_tools.protoc", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    if finished.returncode != 0:
        raise ContractError(f"protoc refused the contracts:\n{finished.stderr.strip() or finished.stdout.strip()}")
    if finished.stderr.strip():
        # A warning today (an unused import, say) is a surprise tomorrow.
        raise ContractError(f"protoc warns:\n{finished.stderr.strip()}")


def plugin(name: str) -> str:
    """The protoc argument that points to a plugin installed beside the running Python."""
    path = Path(sys.executable).parent / f"protoc-gen-{name}"
    if not path.exists():
        raise ContractError(f"{path} is missing: install the development packages (pip install -e '.[dev]')")
    return f"--plugin=protoc-gen-{name}={path}"


def _environment() -> dict[str, str]:
    # Plugins are scripts of this environment; what else is on PYTHONPATH must not change their output.
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
