"""Calls that are broken off, by a caller who goes away or a service told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest


async def broken_off(
    monkeypatch: pytest.MonkeyPatch, store: object, method: str, call: Coroutine[Any, Any, Any]
) -> None:
    """Makes a call that is broken off when the store has done what it was asked for, before its answer."""
    done = asyncio.Event()
    store_it = getattr(store, method)

    async def unanswered(*arguments: Any) -> None:
        await store_it(*arguments)
        done.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(store, method, unanswered)
        calling = asyncio.create_task(call)
        await done.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
