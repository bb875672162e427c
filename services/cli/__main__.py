"""Runs the command."""

from __future__ import annotations

from services.cli.app import app
from services.kernel.decimals import use_exact_context


def main() -> None:
    """Runs what the command line says, and ends the process with its exit code."""
    use_exact_context()
    app()


if __name__ == "__main__":
    main()
