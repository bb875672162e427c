"""Checks the contracts offline: `python proto/build/check.py lint|format|breaking|all`; `format --write` repairs."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from proto.build import buf
from proto.build.history import extract_contracts, published_base
from proto.build.image import compile_image
from proto.build.layout import Layout, here
from proto.build.protoc import ContractError


def check_lint(layout: Layout) -> None:
    """Judges the contracts by the lint rules."""
    with tempfile.TemporaryDirectory(prefix="ordermesh-lint-") as name:
        buf.lint(layout, _buf_image(layout, Path(name)))


def check_format(layout: Layout) -> None:
    """Tells contracts that are not formatted."""
    buf.check_format(layout)


def check_breaking(layout: Layout) -> None:
    """Compares with the last contracts on main; there is nothing to break before there are any."""
    base = published_base(layout)
    if base is None:
        return
    with tempfile.TemporaryDirectory(prefix="ordermesh-breaking-") as name:
        folder = Path(name)
        (folder / "now").mkdir()
        (folder / "then").mkdir()
        then = extract_contracts(layout, base, folder / "then")
        against = _buf_image(then, folder / "then")
        buf.breaking(layout, _buf_image(layout, folder / "now"), against)


CHECKS: dict[str, Callable[[Layout], None]] = {
    "format": check_format,
    "lint": check_lint,
    "breaking": check_breaking,
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns the exit code: 0 accepted, 1 refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("check", choices=[*CHECKS, "all"])
    parser.add_argument("--write", action="store_true", help="with `format`: rewrite the files")
    options = parser.parse_args(arguments)
    layout = here()
    try:
        if options.write:
            buf.apply_format(layout)
        for name in CHECKS if options.check == "all" else (options.check,):
            CHECKS[name](layout)
    except ContractError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _buf_image(layout: Layout, folder: Path) -> Path:
    image = folder / "buf.binpb"
    buf.write_buf_image(compile_image(layout, folder), image)
    return image


if __name__ == "__main__":
    raise SystemExit(main())
