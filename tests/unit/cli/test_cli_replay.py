"""`ordermesh replay` proves recordings without a mesh, and says what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.failure import ExitCode

MESSAGES = "34200.0,1,1,5,1000000,1\n34200.1,1,2,7,1010000,1\n34200.2,3,2,7,1010000,1\n"
BOOK = [
    "9999999999,0,1000000,5",
    "9999999999,0,1010000,7",
    "9999999999,0,1000000,5",
]


def recording(folder: Path, rows: list[str]) -> Path:
    """Writes a recording with its book beside it, as LOBSTER names them."""
    (folder / "X_2012-06-21_34200000_57600000_orderbook_1.csv").write_text("\n".join(rows) + "\n")
    messages = folder / "X_2012-06-21_34200000_57600000_message_1.csv"
    messages.write_text(MESSAGES)
    return messages


def test_a_recording_that_gives_its_book_ends_with_0(tmp_path: Path) -> None:
    """The counts are told, and a script sees that nothing is unexplained."""
    outcome = CliRunner().invoke(app, ["replay", str(recording(tmp_path, BOOK))])
    assert outcome.exit_code == ExitCode.DONE, outcome.output
    assert "unexplained differences" in outcome.output


def test_a_difference_ends_with_1(tmp_path: Path) -> None:
    """A published row that the messages do not give is told with an example."""
    outcome = CliRunner().invoke(
        app, ["replay", str(recording(tmp_path, [BOOK[0], "9999999999,0,1010000,8", BOOK[2]]))]
    )
    assert outcome.exit_code == ExitCode.REFUSED
    assert "published 8 at 1010000" in outcome.output


def test_a_file_that_is_no_recording_is_named(tmp_path: Path) -> None:
    """One line says which file is wrong and how."""
    file = tmp_path / "prices.csv"
    file.write_text("1,2,3\n")
    outcome = CliRunner().invoke(app, ["replay", str(file)])
    assert outcome.exit_code == ExitCode.REFUSED
    assert "prices.csv has 3 columns" in outcome.stderr


def test_market_mode_needs_a_mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mesh the exit code says that none was reached."""
    monkeypatch.setenv("ORDERMESH_MARKETDATA_ADDRESS", "127.0.0.1:1")
    outcome = CliRunner().invoke(app, ["replay", str(recording(tmp_path, BOOK)), "--mode", "market"])
    assert outcome.exit_code == ExitCode.UNREACHABLE
    assert "ORDERMESH_ENGINE_ADDRESS" in outcome.stderr
