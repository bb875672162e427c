"""What went wrong: one clear line that says what to do, and an exit code that a script can use."""

from __future__ import annotations

import re
from enum import IntEnum

from services.kernel.errors import CodedError, ErrorKind, FieldViolation


class ExitCode(IntEnum):
    """How the command ends."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3


_UNREACHABLE_REASONS = frozenset({"SERVICE_UNAVAILABLE", "DRAINING", "DEADLINE_EXCEEDED"})
_UNREACHABLE_KINDS = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE})

NOBODY = "nobody is logged in"
_UNSHOWN = "authorization: Bearer"
"""Of what a service says to who shows no token: of use to programs, not to a person."""
_REFUSED = re.compile(r"failed to connect .*ipv[46]:(\S+?):? ", re.DOTALL)
"""What gRPC says when a connection is refused, with the address."""
_UNBELIEVED = ("CERTIFICATE_VERIFY_FAILED", "is not in peer certificate")
_NO_TLS = "WRONG_VERSION_NUMBER"
"""What it says when the other side speaks no TLS."""

ADVICE = {
    "UNKNOWN_INSTRUMENT": "`ordermesh quotes` lists what there is",
    "NO_MARKET_DATA": "wait until it has traded, or is quoted",
    "UNKNOWN_ACCOUNT": "`ordermesh accounts` lists what there is",
    "UNKNOWN_ORDER": "`ordermesh orders --all` lists them",
    "ORDER_NOT_LIVE": "it has ended; `ordermesh orders --all` says how",
    "DUPLICATE_CLIENT_ORDER_ID": "use another --client-order-id",
    "DUPLICATE_REPLACE_ID": "use another --replace-id",
    "CHANGE_PENDING": "wait for the venue's answer; `ordermesh orders` shows it",
    "VERSION_MISMATCH": "look at it again, then name the version that it has",
    "LIMIT_PRICE_MISMATCH": "give --limit for a limit order, and leave it out for a market order",
    "TIME_IN_FORCE_MISMATCH": "--tif of a market order is ioc, fok or an auction's; of a stop order never an auction's",
    "STOP_PRICE_MISMATCH": "--stop makes a stop order, and changes only one that still waits",
    "TRAILING_STOP_MISMATCH": "--trail makes a trailing stop order, and changes only one that still waits",
    "EXPIRE_AT_REACHED": "give --until a time that is still to come",
    "EXPIRE_AT_MISMATCH": "only an order that was placed with --until can be given another expiry",
    "POST_ONLY_MISMATCH": "--post-only goes with --limit, and not with --stop nor --tif ioc or fok",
    "DISPLAY_QUANTITY_MISMATCH": "--display is less than the quantity, and goes with --limit but not --tif ioc or fok",
    "NO_REFERENCE_PRICE": "place a limit order, or wait for a price",
    "RISK_LIMIT_EXCEEDED": "stay within the limit, or have it changed",
    "CIRCUIT_BREAKER_OPEN": "reset it once the cause is understood",
    "TRADING_HALTED": "`ordermesh risk state` says since when; `ordermesh risk resume` ends it",
    "TRADING_REDUCING": "only orders that reduce a position are taken; `ordermesh risk state` says since when",
    "AUCTION_CALL_PHASE": "wait until the auction is over; `ordermesh quotes` tells when",
    "AUCTION_PHASE_MISMATCH": "`ordermesh quotes` tells whether an auction goes on",
    "REDUCE_ONLY": "`ordermesh positions` tells the position, `ordermesh orders` what is open to close it",
    "INVALID_TOKEN": "`ordermesh login` logs in",
    "PERMISSION_DENIED": "`ordermesh whoami` tells your roles and accounts",
    "UNKNOWN_API_KEY": "`ordermesh keys list` lists them",
    "SERVICE_UNAVAILABLE": "`ordermesh status` says what is down",
}

FORMS = {
    "instrument": "must be a name such as AAPL.XNAS; `ordermesh quotes` lists what there is",
    "instruments": "must be names such as AAPL.XNAS; `ordermesh quotes` lists what there is",
    "quantity": "must be a decimal above zero, such as 10 or 0.5",
    "limit_price": "must be a decimal above zero, such as 187.5",
    "stop_price": "must be a decimal above zero, such as 187.5",
    "trailing_stop.amount": "must be a decimal above zero, such as 2.5",
    "trailing_stop.percent": "must be a decimal above zero and below 100, such as 1.5",
    "reference_price": "must be a decimal above zero, such as 187.5",
    "display_quantity": "must be a decimal above zero, such as 10 or 0.5",
    "account_id": "must be a name of letters, digits, - and _, such as demo",
    "username": "must be 2 to 64 letters, digits and . _ @ + -, beginning with a letter or digit",
    "allowed_networks": "must be a network such as 192.0.2.0/24, or an address",
    "code": "must be six digits, or a recovery code",
    "client_order_id": "must be 1 to 64 printable characters without a space",
    "replace_id": "must be 1 to 64 printable characters without a space",
}
"""What a person reads instead of the pattern that a field must match."""

_PATTERN = "does not match regex pattern"


def exit_code(error: CodedError) -> ExitCode:
    """Returns how the command ends with an error."""
    if error.kind in _UNREACHABLE_KINDS and error.reason in _UNREACHABLE_REASONS:
        return ExitCode.UNREACHABLE
    return ExitCode.REFUSED


def one_line(error: CodedError) -> str:
    """Returns an error in one line: its reason, what is wrong, and what to do."""
    told = [f"{violation.field}: {_rule(violation)}" for violation in error.violations]
    if any(_PATTERN in violation.description for violation in error.violations):
        parts = [f"{error.reason}: {told[0]}", *told[1:]]
    else:
        parts = [f"{error.reason}: {_message(error)}"]
        parts += [
            line
            for line, violation in zip(told, error.violations, strict=True)
            if violation.description not in error.message
        ]
    if (advice := advice_for(error)) and advice not in error.message:
        parts.append(advice)
    return "; ".join(" ".join(part.split()) for part in parts)


def _rule(violation: FieldViolation) -> str:
    name = violation.field.rpartition(".")[2].partition("[")[0]
    return FORMS.get(name, violation.description) if _PATTERN in violation.description else violation.description


def _message(error: CodedError) -> str:
    if error.reason == "SERVICE_UNAVAILABLE" and any(words in error.message for words in _UNBELIEVED):
        return "the gateway's certificate is not believed: it is of another host, or of an authority to name by --ca"
    if error.reason == "SERVICE_UNAVAILABLE" and _NO_TLS in error.message:
        return "the gateway speaks no TLS there: leave out https://, or name the address at which it does"
    if error.reason == "SERVICE_UNAVAILABLE" and (found := _REFUSED.search(error.message)) is not None:
        return f"nobody answers at {found[1]}; start the mesh with `make run`, or say where it is with --address"
    if error.reason == "INVALID_TOKEN" and _UNSHOWN in error.message:
        return NOBODY
    return error.message


def advice_for(error: CodedError) -> str:
    """Returns what to do about an error; empty where its own words say it."""
    if error.retry_after_seconds is not None:
        return f"try again in {error.retry_after_seconds:g} s"
    if "make run" in _message(error):
        return ""
    return ADVICE.get(error.reason, "")
