"""Writes `gen/` from `proto/`: `python proto/build/generate.py`; with `--check`, only tells what would change."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from proto.build.access_table import access_file
from proto.build.gateway_tables import routes_file, shapes_file
from proto.build.image import compile_image, without_source_info
from proto.build.layout import Layout, here
from proto.build.load import load_contract
from proto.build.openapi import openapi_file
from proto.build.output import drift, only_one_at_a_time, write
from proto.build.protoc import ContractError
from proto.build.python_code import python_modules


def generated_files(layout: Layout) -> dict[str, bytes]:
    """Everything that belongs into `gen/`, by path below it.

    Raises:
        ContractError: when the contracts do not compile or cannot be served as they are.
    """
    with tempfile.TemporaryDirectory(prefix="ordermesh-gen-") as name:
        folder = Path(name)
        image = compile_image(layout, folder)
        files = {f"python/{path}": data for path, data in python_modules(layout, folder).items()}
    contract = load_contract(image)
    files["descriptors/ordermesh.binpb"] = without_source_info(image)
    files["openapi/openapi.json"] = openapi_file(contract)
    files["gateway/routes.json"] = routes_file(contract)
    files["gateway/shapes.lua"] = shapes_file(contract)
    files["access.md"] = access_file(contract)
    files["README.md"] = (Path(__file__).parent / "gen_readme.md").read_bytes()
    return files


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns the exit code: 0 done or no drift, 1 drift or bad contracts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when gen/ is not what proto/ says")
    check: bool = parser.parse_args(arguments).check
    layout = here()
    try:
        with only_one_at_a_time(layout.proto):
            files = generated_files(layout)
            if check:
                return _report_drift(layout, files)
            changed = write(layout.gen, files)
    except ContractError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"gen/ holds {len(files)} files, {changed} changed")
    return 0


def _report_drift(layout: Layout, files: dict[str, bytes]) -> int:
    differing = drift(layout.gen, files)
    if not differing:
        return 0
    print("gen/ is not what proto/ says; run `make gen` and commit the result:", file=sys.stderr)
    print("\n".join(f"  {line}" for line in differing), file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
