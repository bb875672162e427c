"""Where the wheels that ship a server keep its programs."""

from importlib.util import find_spec
from pathlib import Path

from deploy.embedded.errors import DeployError


def folder(package: str, distribution: str) -> Path:
    """Return the folder of an installed package, without importing it (some do work at import)."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        message = f"the package {distribution} is not installed; `make setup` installs it"
        raise DeployError(message)
    return Path(spec.origin).parent
