"""Accounts and their shards."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.shards import hash_of, jump, shard_of

ACCOUNTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)
VECTORS = json.loads((Path(__file__).parent / "shard_vectors.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0xCBF29CE484222325), ("a", 0xAF63DC4C8601EC8C), ("foobar", 0x85944171F73967E8)]
)
def test_the_hash_is_fnv_1a(text: str, expected: int) -> None:
    """Published values of FNV-1a with 64 bits (RFC 9923, appendix C)."""
    assert hash_of(text) == expected


@pytest.mark.parametrize(
    ("key", "count", "expected"),
    [(1, 1, 0), (42, 57, 43), (0xDEAD10CC, 1, 0), (0xDEAD10CC, 666, 361), (256, 1024, 520)],
)
def test_the_jump_is_that_of_the_paper(key: int, count: int, expected: int) -> None:
    """Values that other implementations are tested with (dgryski/go-jump)."""
    assert jump(key, count) == expected


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["account_id"])
def test_vectors_for_clients_in_other_languages(vector: dict[str, object]) -> None:
    """The file that clients elsewhere are tested with says what this says."""
    account_id = str(vector["account_id"])
    assert f"{hash_of(account_id):016x}" == vector["hash"]
    assert {str(count): shard_of(account_id, count) for count in (1, 2, 3, 4, 8, 16)} == vector["shard"]


@given(ACCOUNTS, st.integers(1, 64))
def test_one_shard_more_moves_accounts_to_itself_alone(account_id: str, count: int) -> None:
    """An account stays where it is, or goes to the new shard."""
    before, after = shard_of(account_id, count), shard_of(account_id, count + 1)
    assert 0 <= before < count
    assert after in {before, count}


@pytest.mark.parametrize("count", [2, 3, 8])
@pytest.mark.parametrize("pattern", ["{}", "acct-{}", "A{:07d}", "desk_{0}_{0}"])
def test_accounts_are_spread_evenly(pattern: str, count: int) -> None:
    """Also ids that differ in their last digits alone: no shard has a tenth more or less than its part."""
    number = 20_000
    found = Counter(shard_of(pattern.format(index), count) for index in range(number))
    assert len(found) == count
    assert all(abs(each * count / number - 1) < 0.1 for each in found.values())
