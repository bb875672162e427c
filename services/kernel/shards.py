"""Which shard of OrderService owns an account. services/README.md specifies it for clients in any language."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_MASK: Final = (1 << 64) - 1
_FNV_OFFSET: Final = 0xCBF2_9CE4_8422_2325
_FNV_PRIME: Final = 0x0000_0100_0000_01B3
_JUMP_MULTIPLIER: Final = 2_862_933_555_777_941_757
_MOST_REMEMBERED: Final = 65_536


@lru_cache(maxsize=_MOST_REMEMBERED)
def shard_of(account_id: str, count: int) -> int:
    """Returns the shard, from 0, that owns an account among so many, at least one."""
    return 0 if count == 1 else jump(hash_of(account_id), count)


def hash_of(account_id: str) -> int:
    """Returns the 64-bit FNV-1a hash of an account's id in UTF-8 (Fowler, Noll, Vo; RFC 9923)."""
    value = _FNV_OFFSET
    for byte in account_id.encode():
        value = (value ^ byte) * _FNV_PRIME & _MASK
    return value


def jump(key: int, count: int) -> int:
    """Returns the bucket of a 64-bit key by the jump consistent hash (Lamping, Veach 2014, arXiv:1406.2294).

    One bucket more takes 1/count of the keys from all the others, and moves no key between these.
    """
    bucket, following = -1, 0
    while following < count:
        bucket = following
        key = (key * _JUMP_MULTIPLIER + 1) & _MASK
        following = int((bucket + 1) * (2.0**31 / ((key >> 33) + 1)))
    return bucket
