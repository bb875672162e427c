"""Generates the Python modules of the contracts, with type stubs."""

from __future__ import annotations

from pathlib import Path

from proto.build.image import write_imports
from proto.build.imports import VALIDATE_FILE
from proto.build.layout import Layout
from proto.build.protoc import plugin, run_protoc


def python_modules(layout: Layout, folder: Path) -> dict[str, bytes]:
    """Messages, services and stubs of all contracts, by path below `gen/python`; `folder` takes what lies between."""
    output = folder / "python"
    output.mkdir()
    common = [f"--proto_path={layout.proto}", f"--descriptor_set_in={write_imports(folder)}"]
    stubs = [plugin("mypy"), plugin("mypy_grpc"), f"--mypy_out=quiet:{output}"]
    services = [f"--grpc_python_out={output}", f"--mypy_grpc_out=quiet:{output}"]
    # The constraint options are imported by our modules, and no installed package has them for this runtime.
    files = layout.contract_files()
    run_protoc([*common, *stubs, f"--python_out={output}", *services, *files])
    run_protoc([*common, *stubs[::2], f"--python_out={output}", VALIDATE_FILE])
    modules = {path.relative_to(output).as_posix(): path.read_bytes() for path in sorted(output.rglob("*.py*"))}
    return {path: data for path, data in modules.items() if not _is_empty_service(path, data)}


def _is_empty_service(path: str, data: bytes) -> bool:
    """Tells modules written for files without a service, which nobody would import."""
    return "_pb2_grpc." in path and b"Stub" not in data
