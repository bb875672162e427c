"""Runs buf without a network: on images compiled by our own protoc, and on the source for formatting.

Buf would resolve imports from its registry. An image already holds them; files flagged as imports are not judged.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from proto.build.image import Image
from proto.build.layout import Layout
from proto.build.protoc import ContractError

# buf.alpha.image.v1: ImageFile.buf_extension = 8042, whose is_import = 1. Fixed by buf as part of its image format.
_IMPORT_FLAG = bytes.fromhex("d2f60302") + b"\x08\x01"
_NOT_IMPORT_FLAG = bytes.fromhex("d2f60302") + b"\x08\x00"


def write_buf_image(image: Image, path: Path) -> None:
    """Writes an image in which all but our own files are flagged as imports."""
    ours = set(image.files)
    data = bytearray()
    for file in FileDescriptorSet.FromString(image.data).file:
        body = file.SerializeToString(deterministic=True)
        body += _NOT_IMPORT_FLAG if file.name in ours else _IMPORT_FLAG
        data += b"\x0a" + _varint(len(body)) + body
    path.write_bytes(bytes(data))


def lint(layout: Layout, image: Path) -> None:
    """Applies the lint rules of buf.yaml. Raises `ContractError` with buf's findings."""
    _run(layout, "lint", str(image), "--config", _rules(layout, "lint"))


def breaking(layout: Layout, image: Path, against: Path) -> None:
    """Compares with an earlier image by the breaking rules of buf.yaml. Raises `ContractError` with buf's findings."""
    _run(layout, "breaking", str(image), "--against", str(against), "--config", _rules(layout, "breaking"))


def check_format(layout: Layout) -> None:
    """Raises `ContractError` with a diff when a contract is not formatted."""
    _run(layout, "format", str(layout.proto), "--diff", "--exit-code")


def apply_format(layout: Layout) -> None:
    """Rewrites the contracts in buf's format."""
    _run(layout, "format", str(layout.proto), "--write")


def _rules(layout: Layout, section: str) -> str:
    import yaml  # noqa: PLC0415 - generation itself does without it

    settings = yaml.safe_load((layout.root / "buf.yaml").read_text(encoding="utf-8"))
    return json.dumps({"version": "v2", section: settings[section]})


def _run(layout: Layout, *arguments: str) -> None:
    buf = Path(sys.executable).parent / "buf"
    if not buf.exists():
        raise ContractError(f"{buf} is missing: install the development packages (pip install -e '.[dev]')")
    finished = subprocess.run([buf, *arguments], capture_output=True, text=True, check=False, cwd=layout.root)
    if finished.returncode != 0:
        findings = (finished.stdout + finished.stderr).strip()
        raise ContractError(f"buf {arguments[0]} refuses the contracts:\n{findings}")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >> 7:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
