"""The offline checks of the contracts."""

from __future__ import annotations

import subprocess

import pytest

from proto.build import check
from proto.build.layout import Layout
from tests.unit.proto_build.conftest import SAMPLE, write_contract


@pytest.fixture
def repository(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A git repository with the contracts committed on main, as the checks' own."""
    (layout.root / "buf.yaml").write_text(
        "version: v2\nmodules: [{path: proto}]\nlint: {use: [STANDARD]}\nbreaking: {use: [FILE]}\n", encoding="utf-8"
    )
    monkeypatch.setattr(check, "here", lambda: layout)
    _git(layout, "init", "--quiet", "--initial-branch=main")
    return layout


def test_sound_contracts_pass(repository: Layout) -> None:
    """Before anything is committed there is nothing to break."""
    assert check.main(["lint"]) == 0
    assert check.main(["breaking"]) == 0


def test_lint_names_what_is_wrong_in_ours_alone(repository: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    """A finding has file and line; imports, which break the rules at will, are not judged."""
    write_contract(
        repository, "sample", SAMPLE.replace("string shelf", "string Shelf").replace("{shelf}", "{thing_id}")
    )

    assert check.main(["lint"]) == 1
    told = capsys.readouterr().err
    assert "ordermesh/sample/v1/sample.proto:" in told
    assert "Shelf" in told
    assert "google/" not in told


def test_format_is_told_and_repaired(repository: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    """`format` shows the difference, `format --write` makes it."""
    path = write_contract(repository, "sample", SAMPLE.replace("  // Red.", "      // Red."))

    assert check.main(["format"]) == 1
    assert "// Red." in capsys.readouterr().err
    assert check.main(["format", "--write"]) == 0
    assert path.read_text(encoding="utf-8") == SAMPLE


def test_a_breaking_change_is_told(repository: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    """Once the contracts are on main, a field cannot vanish or change its name; a new one may come."""
    _git(repository, "add", "proto", "buf.yaml")
    _git(repository, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "contracts")
    assert check.main(["breaking"]) == 0

    write_contract(
        repository, "sample", SAMPLE.replace("uint64 number = 3;", "uint64 number = 3;\n  // New.\n  bool new = 4;")
    )
    assert check.main(["breaking"]) == 0

    write_contract(repository, "sample", SAMPLE.replace("uint64 number = 3;", "uint64 count = 3;"))
    assert check.main(["breaking"]) == 1
    assert "number" in capsys.readouterr().err


def _git(layout: Layout, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=layout.root, check=True)
