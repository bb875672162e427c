"""The Lua scripts: the request check's, put together from its parts and the generated shapes, and that of shards."""

from __future__ import annotations

from gateway.tables import GEN, LUA

# In the order in which they use one another.
_PARTS = ("json.lua", "values.lua", "body.lua", "query.lua", "reply.lua", "events.lua")


def check_script() -> str:
    """One Lua chunk: each part is a function called once, and `main.lua` uses what they return."""
    parts = [_part("shapes", (GEN / "gateway" / "shapes.lua").read_text(encoding="utf-8"))]
    parts += [_part(name.removesuffix(".lua"), (LUA / name).read_text(encoding="utf-8")) for name in _PARTS]
    return "\n".join([*parts, (LUA / "main.lua").read_text(encoding="utf-8")])


def shard_script(count: int) -> str:
    """The script that sends a call to the shard of the account that it names, of so many."""
    return f"local SHARDS = {count}\n" + (LUA / "shards.lua").read_text(encoding="utf-8")


def _part(name: str, source: str) -> str:
    return f"local {name} = (function()\n{source}\nend)()"
