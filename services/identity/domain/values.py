"""Words of the contract that the domain uses, with the contract's numbers."""

from __future__ import annotations

import enum


class Environment(enum.IntEnum):
    """The worlds, which do not see each other."""

    SIMULATION = 1
    LIVE = 2


class Role(enum.IntEnum):
    """What a user is there for."""

    TRADER = 1
    DEALER = 2
    RISK_MANAGER = 3
    COMPLIANCE = 4
    ADMIN = 5
    SERVICE = 6


class Scope(enum.IntEnum):
    """What a token may be used for, within what the roles of its user allow."""

    READ = 1
    TRADE = 2
    MANAGE = 3


class Proof(enum.StrEnum):
    """How a caller has proved who they are: `amr` of their tokens (RFC 8176, but for `key`)."""

    PASSWORD = "pwd"  # noqa: S105 - the word of the registry, no password
    CODE = "otp"
    KEY = "key"
