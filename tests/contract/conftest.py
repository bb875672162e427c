"""The contracts as they stand in `proto/`, compiled once."""

from __future__ import annotations

import pytest

from proto.build.image import Image, compile_image
from proto.build.layout import here
from proto.build.load import load_contract
from proto.build.model import Contract


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The compiled contracts with their comments."""
    return compile_image(here(), tmp_path_factory.mktemp("contract"))


@pytest.fixture(scope="session")
def contract(image: Image) -> Contract:
    """The contracts as typed values."""
    return load_contract(image)
