"""Pointers: the keys of metadata entries, ``sha256(identifier || salt)``. Source: cic-types, ``generate_metadata_pointer``."""

import hashlib


def person(address: bytes) -> bytes:
    """Where the person document of a 20-byte address is."""
    return _pointer(address, b":cic.person")


def preferences(address: bytes) -> bytes:
    """Where the preferences of a 20-byte address are."""
    return _pointer(address, b":cic.preferences")


def custom(address: bytes) -> bytes:
    """Where the tags of a 20-byte address are."""
    return _pointer(address, b":cic.custom")


def phone(number: str) -> bytes:
    """Where the address that belongs to an E.164 phone number is."""
    return _pointer(number.encode(), b":cic.phone")


def _pointer(identifier: bytes, salt: bytes) -> bytes:
    return hashlib.sha256(identifier + salt).digest()
