"""`ordermesh replay` hands everything to the module that it belongs to."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.commands import replay


def test_files_and_options_reach_the_module_and_its_exit_code_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module understands its own words, and finds the mesh in the environment."""
    seen: list[tuple[list[Path], float, str]] = []

    def fake(files: list[Path], speed: Annotated[float, typer.Option("--speed")] = 1.0) -> None:
        seen.append((files, speed, os.environ["ORDERMESH_ENGINE_ADDRESS"]))
        raise typer.Exit(1)

    module = ModuleType("a_replay_of_a_test")
    module.replay = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(replay, "MODULE", module.__name__)
    monkeypatch.setenv("ORDERMESH_ENGINE_ADDRESS", "engine:1")
    outcome = CliRunner().invoke(app, ["replay", "one.csv", "two.csv", "--speed", "10"])
    assert seen == [([Path("one.csv"), Path("two.csv")], 10.0, "engine:1")]
    assert outcome.exit_code == 1
