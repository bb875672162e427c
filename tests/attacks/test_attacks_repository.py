"""What the repository itself gives away, or trusts without a look: secrets in its files, packages, checks switched off.

There is no list of known weaknesses of packages to compare with where there is no network: what can be checked is that
what is installed is what the lock names, whole, and from nowhere else.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SECRETS: Final = {
    "private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY",
    "JSON Web Token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    "token of ours": r"\bom[rck]_[\w-]{30,}",
    "key of a cloud": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}|\bya29\.[\w-]{20,}",
    "token of a forge": r"\bgh[pousr]_\w{36}|\bgithub_pat_\w{30,}|\bglpat-[\w-]{20}|\bpypi-AgE[\w-]{20,}|\bnpm_\w{36}",
    "token of a service": r"\bxox[abprs]-[\w-]{10,}|\b[sr]k_live_\w{20,}|\bSG\.[\w-]{20,}\.[\w-]{20,}",
    "password in an address": r"\w+://[^\s:/@'\"{}$<>]+:[^\s:/@'\"{}$<>]{3,}@",
    "key of 32 bytes": r"(?<![\w+/=-])[A-Za-z0-9+/]{43}=(?![\w=])|(?<![\w-])[0-9a-f]{64}(?![\w-])",
    "password or secret": r"(?i)(?:password|secret|api_?key|token)\w*[\"']?\s*[:=]\s*[\"'][^\s\"'{}$<>]{12,}[\"']",
}
ALLOWED: Final = {
    "deploy/embedded/postgres.py": "how passwords are kept, not one of them",
    "gateway/tokens.py": "the name of a filter of Envoy's",
    "proto/build/openapi/operations.py": "the name of a field",
    "services/mesh/config.py": "the form of an address, in a message",
    "tests/clients/go/go.sum": "digests of what Go fetches",
    "tests/integration/broker/test_broker_stored_connections.py": "credentials that a test stores, to look for them",
    "tests/integration/marketdata/test_marketdata_wire.py": "a reason of the contract, told in place of a page",
    "tests/unit/mesh/test_mesh_config.py": "a password that a message must not repeat",
}
"""Files with what looks like a secret, and why it is none."""
GENERATED: Final = ("gen/",)


def tracked() -> list[Path]:
    """Returns the files of the repository, without those that are generated from others of them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    names = [name for name in listed.decode().split("\0") if name and not name.startswith(GENERATED)]
    return [path for name in names if (path := REPOSITORY / name).is_file()]


def found(text: str) -> list[tuple[str, str]]:
    """Returns what looks like a secret, and of which kind."""
    return [(kind, match[0]) for kind, form in SECRETS.items() for match in re.finditer(form, text)]


def test_no_file_holds_a_secret() -> None:
    """Neither keys nor tokens nor passwords, but for what is named with its reason; and nothing is named in vain."""
    seen: dict[str, list[tuple[str, str]]] = {}
    for path in tracked():
        if hits := found(path.read_bytes().decode(errors="replace")):
            seen[str(path.relative_to(REPOSITORY))] = hits
    assert {name: hits for name, hits in seen.items() if name not in ALLOWED} == {}
    assert set(ALLOWED) <= set(seen)


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN EC " + "PRIVATE KEY-----",
        "Bearer eyJhbGciOiJFUzI1NiJ9." + "eyJzdWIiOiJ4In0xMjM0." + "c2lnbmF0dXJlMTIzNA",
        "omr_" + "A" * 43,
        "AKIA" + "Q" * 16,
        "ghp_" + "a" * 36,
        "postgresql://ordermesh:" + "hunter22@127.0.0.1/x",
        "key: " + "q" * 43 + "=",
        "DATABASE_PASSWORD" + ' = "correcthorsebattery"',
        '"client_secret"' + ': "0123456789abcdef"',
    ],
)
def test_the_scan_finds_what_it_looks_for(text: str) -> None:
    """One of each kind is found in a line of its own."""
    assert found(f"before\n{text}\nafter")


def lock() -> dict[str, Requirement]:
    """Returns what the lock names for this machine."""
    lines = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    return {canonicalize_name(each.name): each for each in wanted if each.marker is None or each.marker.evaluate()}


def test_the_lock_names_one_version_of_each_package() -> None:
    """By its version, from a registry: no address, no folder, no range."""
    for name, wanted in lock().items():
        assert wanted.url is None, name
        assert [each.operator for each in wanted.specifier] == ["=="], name


def test_what_is_installed_is_what_the_lock_names() -> None:
    """Nothing else, nothing less, and in these versions."""
    installed = {canonicalize_name(each.metadata["Name"]): each.version for each in distributions(path=sys.path)}
    wanted = {name: next(iter(each.specifier)).version for name, each in lock().items()}
    others = {name: version for name, version in installed.items() if name not in {"pip", "ordermesh"}}
    assert {name: version for name, version in others.items() if wanted.get(name) != version} == {}
    assert set(wanted) <= set(installed)


def test_the_packages_agree_with_one_another() -> None:
    """None wants another version of one than is installed."""
    wrong = [
        f"{each.metadata['Name']} wants {wanted}"
        for each in distributions(path=sys.path)
        for wanted in map(Requirement, each.requires or ())
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if not wanted.specifier.contains(version(wanted.name), prereleases=True)
    ]
    assert wrong == []


def test_the_checks_of_bandit_are_all_on() -> None:
    """Ruff has them as its rules S. In what runs in production two are off, for what their lines in the file say."""
    ruff = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    assert ruff["select"] == ["ALL"]
    assert [rule for rule in ruff["ignore"] if rule.startswith("S")] == ["S104"]
    off = {
        files: {rule for rule in rules if re.fullmatch(r"S\d+", rule)}
        for files, rules in ruff["per-file-ignores"].items()
    }
    product = {
        files: rules for files, rules in off.items() if rules and files.startswith(("services", "gateway", "**"))
    }
    assert product == {"services/**/store/**": {"S608"}}


def test_each_check_that_is_passed_over_has_a_reason() -> None:
    """A `noqa` of a rule of security says why on its line."""
    for path in tracked():
        if path.suffix == ".py":
            for line in path.read_text(encoding="utf-8").splitlines():
                if match := re.search(r"# noqa:[ A-Z0-9,]*\bS\d{3}[ A-Z0-9,]*(.*)$", line):
                    assert re.match(r"- \w", match[1].strip()), f"{path}: {line.strip()}"
