"""`ordermesh keys`: the API keys by which programs act for the user who is logged in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from rich.markup import escape

from ordermesh.identity.v1 import api_key_pb2, user_pb2
from services.cli import algorithms, options, output
from services.cli.address import Where
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run
from services.cli.output import Column

_COLUMNS = (
    Column("key"),
    Column("name"),
    Column("scopes"),
    Column("from"),
    Column("made"),
    Column("ends"),
    Column("last used"),
)
_DAYS = re.compile(r"([0-9]{1,4})d")


class Scope(StrEnum):
    """What a key may be used for."""

    READ = "read"
    TRADE = "trade"
    MANAGE = "manage"


Scopes = Annotated[list[Scope], typer.Option("--scope", help="What it may be used for; may be given several times.")]
Networks = Annotated[
    list[str], typer.Option("--from", metavar="NETWORK", help="Where it may be used; several times. Default: anywhere.")
]
Ends = Annotated[str, typer.Option("--until", metavar="TIME", help="When it ends: a time, or 90d, 12h from now.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What the key is for, in a few words.")]
KeyId = Annotated[str, typer.Argument(metavar="KEY", help="The key, as `ordermesh keys list` names it.")]

keys = typer.Typer(no_args_is_help=True, help="API keys, by which programs act for the user who is logged in.")


@keys.command()
def create(
    name: Name,
    scope: Scopes = [Scope.READ],  # noqa: B006 - typer reads the default and copies it
    networks: Networks = [],  # noqa: B006 - the same
    until: Ends = "",
    *,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Makes a key, and shows its secret this once."""
    request = api_key_pb2.CreateApiKeyRequest(
        name=name,
        scopes=[user_pb2.Scope.Value(f"SCOPE_{each.name}") for each in dict.fromkeys(scope)],
        allowed_networks=networks,
        expires_at=_moment(until),
    )
    run(Where(address, ca), lambda mesh: _create(mesh, request, as_json=json))


@keys.command("list")
def list_(
    *,
    revoked: Annotated[bool, typer.Option("--all/--good", help="Also keys that were revoked.")] = False,
    most: options.Most = 100,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Lists the keys, without their secrets."""
    request = api_key_pb2.ListApiKeysRequest(include_revoked=revoked, page_size=most)
    run(Where(address, ca), lambda mesh: _list(mesh, request, as_json=json))


@keys.command()
def revoke(key: KeyId, json: options.Json = False, address: options.Address = "", ca: options.Ca = None) -> None:
    """Revokes a key; tokens that it was exchanged for end by themselves, in minutes."""
    request = api_key_pb2.RevokeApiKeyRequest(api_key_id=key)
    run(Where(address, ca), lambda mesh: _revoke(mesh, request, as_json=json))


async def _create(mesh: Mesh, request: api_key_pb2.CreateApiKeyRequest, *, as_json: bool) -> int:
    answer = await mesh.identity.CreateApiKey(request)
    if as_json:
        output.print_json(answer)
        return ExitCode.DONE
    output.show(_COLUMNS, [_row(answer.api_key)], "no key was made")
    output.console().print(f"secret: {escape(answer.secret)}", soft_wrap=True)
    output.say("the secret is shown this once; keep it where only the program can read it")
    return ExitCode.DONE


async def _list(mesh: Mesh, request: api_key_pb2.ListApiKeysRequest, *, as_json: bool) -> int:
    answer = await mesh.identity.ListApiKeys(request)
    if as_json:
        output.print_json(answer)
        return ExitCode.DONE
    output.show(_COLUMNS, [_row(key) for key in answer.api_keys], "there are no keys")
    if answer.next_page_token:
        output.say(f"the first {len(answer.api_keys)} keys; --most shows more")
    return ExitCode.DONE


async def _revoke(mesh: Mesh, request: api_key_pb2.RevokeApiKeyRequest, *, as_json: bool) -> int:
    answer = await mesh.identity.RevokeApiKey(request)
    if as_json:
        output.print_json(answer)
    else:
        output.console().print(escape(f"revoked: {answer.api_key.name} ({answer.api_key.api_key_id})"))
    return ExitCode.DONE


def _row(key: api_key_pb2.ApiKey) -> Sequence[str]:
    ends = output.local_time(key.expires_at) or "never"
    used = f"{output.local_time(key.last_used_at)} from {key.last_address}" if key.HasField("last_used_at") else "never"
    return (
        key.api_key_id,
        escape(key.name),
        ", ".join(output.word(user_pb2.Scope.Name(scope), "SCOPE_") for scope in key.scopes),
        ", ".join(key.allowed_networks) or "anywhere",
        output.local_time(key.created_at),
        f"revoked {output.local_time(key.revoked_at)}" if key.HasField("revoked_at") else ends,
        used,
    )


def _moment(text: str) -> Timestamp | None:
    if (found := _DAYS.fullmatch(text)) is None:
        return algorithms.moment_of(text)
    stamp = Timestamp()
    stamp.FromDatetime(datetime.now(UTC) + timedelta(days=int(found[1])))
    return stamp
