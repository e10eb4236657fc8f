"""Lists of strings are read and written as the package rlp does it, and what it refuses is not read."""

import contextlib

import rlp
from hypothesis import example, given
from hypothesis import strategies as st

from cicscenario.chain.flatrlp import encoded_list, first_strings, flat_list

STRINGS = st.one_of(st.binary(max_size=3), st.binary(min_size=54, max_size=58), st.binary(min_size=254, max_size=258))
ITEMS = st.lists(st.one_of(STRINGS, st.lists(STRINGS, max_size=2)), max_size=6)


def of_package(data: bytes) -> object:
    """What the package gives for a list of strings; None for everything else."""
    with contextlib.suppress(rlp.DecodingError):
        found = rlp.decode(data)
        if isinstance(found, list) and all(isinstance(item, bytes) for item in found):
            return found
    return None


@given(ITEMS)
def test_lists_of_strings_are_read(items: list[bytes | list[bytes]]) -> None:
    flat = all(isinstance(item, bytes) for item in items)
    assert flat_list(rlp.encode(items)) == (items if flat else None)


@given(ITEMS, st.integers(0, 6))
def test_the_first_strings_are_read_whatever_follows_them(items: list[bytes | list[bytes]], number: int) -> None:
    first = items[:number]
    there = len(first) == number and all(isinstance(item, bytes) for item in first)
    assert first_strings(rlp.encode(items), number) == (first if there else None)


@given(ITEMS, st.data())
def test_damaged_data_are_read_only_as_the_package_does(items: list[bytes | list[bytes]], data: st.DataObject) -> None:
    encoded = bytearray(rlp.encode(items))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, min(8, len(encoded) - 1)))
        encoded[place] = data.draw(st.integers(0, 255))
    damaged = bytes(encoded[: data.draw(st.integers(0, len(encoded)))])
    assert flat_list(damaged) == of_package(damaged)


@given(st.binary(max_size=12))
@example(b"")
@example(b"\xf8\x00")
@example(b"\xf8\x01\x00")
@example(b"\xf9\x00\x38" + bytes(56))
@example(b"\xc2\x81\x01")
@example(b"\xc3\xb8\x01\x80")
@example(b"\xf8")
@example(b"\xff" + b"\xff" * 9)
@example(b"\xc1\xb8")
def test_any_bytes_are_read_only_as_the_package_does(data: bytes) -> None:
    assert flat_list(data) == of_package(data)


@given(st.lists(st.one_of(STRINGS, st.integers(0, 300), st.integers(0, 2**256)), max_size=20))
def test_lists_of_strings_and_numbers_are_written(items: list[bytes | int]) -> None:
    assert encoded_list(items) == rlp.encode(items)
