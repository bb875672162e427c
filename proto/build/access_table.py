"""Writes the table of who may call what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from proto.build.model import Contract, Grant, Method, Service

_ROLES: Final = ("trader", "dealer", "risk_manager", "compliance", "admin")

_HEAD: Final = """# Who may call what

Generated from the contracts by `make gen`; do not edit. Each RPC says it by the options `access` and `peers` of
`ordermesh/type/v1/access.proto`, and a server does not start with one that says nothing.

A caller from outside needs one of the roles, by a token that is for the scope. Traders and dealers reach the accounts
that their token names; the other roles reach all accounts of their environment. Services call by their names, whoever
they act for.
"""


def access_file(contract: Contract) -> bytes:
    """`access.md`: what each access means, and every RPC with who may call it."""
    grants = {grant.access: grant for grant in contract.grants}
    lines = [
        _HEAD,
        "## Accesses",
        "",
        *_rows(("access", "for", *map(_spoken, _ROLES), "scope"), _accesses(grants.values())),
    ]
    for service in sorted(contract.services, key=lambda service: service.name):
        lines += ["", f"## {service.name}", ""]
        lines += _rows(("RPC", "access", "roles", "scope", "services"), _methods(service, grants))
    return ("\n".join(lines) + "\n").encode()


def _accesses(grants: Iterable[Grant]) -> Iterator[tuple[str, ...]]:
    for grant in grants:
        if grant.public or grant.roles:
            held = {_word(role) for role in grant.roles}
            marks = ("all" if grant.public else "x" if role in held else "" for role in _ROLES)
            yield _access(grant), grant.comment, *marks, _word(grant.scope)


def _methods(service: Service, grants: dict[str, Grant]) -> Iterator[tuple[str, ...]]:
    for method in service.methods:
        yield method.name, *_callers(method, grants), ", ".join(method.peers)


def _callers(method: Method, grants: dict[str, Grant]) -> tuple[str, str, str]:
    if not method.access:
        return "internal", "", ""
    grant = grants[method.access]
    roles = "everybody" if grant.public else ", ".join(_spoken(_word(role)) for role in grant.roles)
    return _access(grant), roles, _word(grant.scope)


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield _row(head)
    yield _row(("---",) * len(head))
    yield from map(_row, rows)


def _row(cells: Iterable[str]) -> str:
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


def _access(grant: Grant) -> str:
    return _spoken(grant.access.removeprefix("ACCESS_").lower())


def _word(name: str) -> str:
    return name.removeprefix("ROLE_").removeprefix("SCOPE_").lower()


def _spoken(word: str) -> str:
    return word.replace("_", " ")
