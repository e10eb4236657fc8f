"""Pointers: the keys of metadata entries, ``sha256(identifier || salt)``. Source: cic-types, ``generate_metadata_pointer``."""

import hashlib


def person(address: bytes) -> bytes:
    """The pointer of the person document of a 20-byte address."""
    return _pointer(address, b":cic.person")


def preferences(address: bytes) -> bytes:
    """The pointer of the preferences of a 20-byte address."""
    return _pointer(address, b":cic.preferences")


def custom(address: bytes) -> bytes:
    """The pointer of the tags of a 20-byte address."""
    return _pointer(address, b":cic.custom")


def phone(number: str) -> bytes:
    """The phone pointer of an E.164 phone number; its entry holds the address."""
    return _pointer(number.encode(), b":cic.phone")


def _pointer(identifier: bytes, salt: bytes) -> bytes:
    return hashlib.sha256(identifier + salt).digest()
