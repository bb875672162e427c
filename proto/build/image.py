"""Compiles the contracts into an image: one descriptor set with imports, source information and comments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from proto.build.imports import VALIDATE_FILE, installed_imports
from proto.build.layout import DETAIL_FILES, Layout
from proto.build.protoc import ContractError, run_protoc


@dataclass(frozen=True, slots=True)
class Image:
    """The compiled contracts: `files` names ours, `data` is the serialised descriptor set with all they import."""

    files: tuple[str, ...]
    data: bytes


def write_imports(folder: Path) -> Path:
    """Writes the descriptor set of installed imports into `folder` and returns its path."""
    path = folder / "imports.binpb"
    path.write_bytes(installed_imports().SerializeToString(deterministic=True))
    return path


def compile_image(layout: Layout, folder: Path) -> Image:
    """Compiles all contracts, using `folder` for what lies between.

    Raises:
        ContractError: when there is no contract, or protoc refuses one.
    """
    files = layout.contract_files()
    if not files:
        raise ContractError(f"no contract found under {layout.proto}/ordermesh")
    output = folder / "image.binpb"
    run_protoc(
        [
            f"--proto_path={layout.proto}",
            f"--descriptor_set_in={write_imports(folder)}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={output}",
            *files,
            *DETAIL_FILES,
            VALIDATE_FILE,
        ]
    )
    return Image(tuple(files), output.read_bytes())


def without_source_info(image: Image) -> bytes:
    """The image as programs load it: types and options, no comments."""
    descriptors = FileDescriptorSet.FromString(image.data)
    for file in descriptors.file:
        file.ClearField("source_code_info")
    return descriptors.SerializeToString(deterministic=True)
