"""The request check's Lua script, put together from its parts and the generated shapes."""

from __future__ import annotations

from gateway.tables import GEN, LUA

# In the order in which they use one another.
_PARTS = ("json.lua", "values.lua", "body.lua", "query.lua", "reply.lua")


def check_script() -> str:
    """One Lua chunk: each part is a function called once, and `main.lua` uses what they return."""
    parts = [_part("shapes", (GEN / "gateway" / "shapes.lua").read_text(encoding="utf-8"))]
    parts += [_part(name.removesuffix(".lua"), (LUA / name).read_text(encoding="utf-8")) for name in _PARTS]
    return "\n".join([*parts, (LUA / "main.lua").read_text(encoding="utf-8")])


def _part(name: str, source: str) -> str:
    return f"local {name} = (function()\n{source}\nend)()"
