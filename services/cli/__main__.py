"""Runs the command."""

from __future__ import annotations

import os

from services.kernel.decimals import use_exact_context


def main() -> None:
    """Runs what the command line says, and ends the process with its exit code."""
    # What gRPC's core logs of a connection that fails, the command tells in one line.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from services.cli.app import app  # noqa: PLC0415 - gRPC reads the variable when it is imported

    use_exact_context()
    app()


if __name__ == "__main__":
    main()
