"""`python -m deploy.embedded certificate NAME`: a certificate for a client that calls services without the gateway."""

import argparse
import datetime as dt
import sys
from pathlib import Path

from deploy.embedded.certificates import OPERATOR, Certificates

MOST_DAYS = 365


def issue(arguments: list[str], home: Path) -> int:
    """Issue to the client that the arguments name, below `home` unless they say where, and tell where the files are."""
    options = _parser(home).parse_args(arguments)
    authority = Certificates.at(options.directory.resolve() / "tls").authority
    file = authority.issue_client(options.name, dt.timedelta(days=options.days))
    sys.stdout.write(
        f"{file}: certificate and key of the client {options.name}, good for {options.days} days\n"
        f"{authority.certificate}: the authority that services are believed by\n"
    )
    return 0


def _parser(home: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.embedded certificate", description=__doc__)
    parser.add_argument("name", type=_name, help="what the client is called: small letters, digits and hyphens")
    parser.add_argument("--days", type=_days, default=30, help="how long it is good (default: %(default)s)")
    parser.add_argument("--directory", type=Path, default=home, help="where the data of the mesh live")
    return parser


def _name(text: str) -> str:
    if text == OPERATOR:
        raise argparse.ArgumentTypeError("this is the name of the command `ordermesh`")
    return text


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days between 1 and {MOST_DAYS}")
    return int(text)
