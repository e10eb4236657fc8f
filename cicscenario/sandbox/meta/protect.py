"""Encrypts a secret key with a passphrase (RFC 4880): pysequoia can read such keys, but not make them."""

import hashlib
import secrets

from Crypto.Cipher import AES
from pysequoia import Tsk
from pysequoia.packet import Packet, PacketPile, Tag

_RSA, _ECDH, _EDDSA = 1, 18, 22  # RFC 4880, 9.1, and RFC 6637
_UNPROTECTED = 0
_S2K_AND_SHA1 = 254  # RFC 4880, 5.5.3: encryption key from a passphrase; secret numbers followed by their SHA-1
_AES256 = 9
_ITERATED_AND_SALTED = 3
_SHA256 = 8
_COUNT_CODE = 0xE0  # means 16 MiB to hash, about as much as GnuPG uses
_COUNT = (16 + (_COUNT_CODE & 15)) << ((_COUNT_CODE >> 4) + 6)
_HEADER = 6  # bytes before a public key's numbers: version, time of creation, algorithm


def protect(key: Tsk, passphrase: str) -> bytes:
    """Encrypts an unprotected RSA or Curve25519 ``key`` of version 4 with ``passphrase``; gives its binary form."""
    return b"".join(
        _packet(packet, passphrase) if packet.tag in (Tag.SecretKey, Tag.SecretSubkey) else bytes(packet)
        for packet in PacketPile.from_bytes(bytes(key))
    )


def _packet(packet: Packet, passphrase: str) -> bytes:
    body = packet.body
    public = _public_length(body)
    if body[public] != _UNPROTECTED:
        raise ValueError("the key has a passphrase already")
    numbers = body[public + 1 : -2]  # without the two-byte checksum at the end
    salt, vector = secrets.token_bytes(8), secrets.token_bytes(16)
    cipher = AES.new(_derive(passphrase.encode(), salt), AES.MODE_CFB, iv=vector, segment_size=128)
    settings = bytes([_S2K_AND_SHA1, _AES256, _ITERATED_AND_SALTED, _SHA256]) + salt + bytes([_COUNT_CODE]) + vector
    sealed = cipher.encrypt(numbers + hashlib.sha1(numbers).digest())  # noqa: S324  # required by the format
    content = body[:public] + settings + sealed
    return bytes([0xC0 | (5 if packet.tag == Tag.SecretKey else 7), 0xFF]) + len(content).to_bytes(4, "big") + content


def _public_length(body: bytes) -> int:
    algorithm, at = body[_HEADER - 1], _HEADER
    if body[0] != 4 or algorithm not in (_RSA, _ECDH, _EDDSA):
        raise ValueError("not an RSA or Curve25519 key of version 4")
    if algorithm == _RSA:
        return _after_number(body, _after_number(body, at))  # the modulus and the exponent
    at = _after_number(body, at + 1 + body[at])  # length and name of the curve, then the point
    return at + 1 + body[at] if algorithm == _ECDH else at  # ECDH: length and parameters of the key derivation


def _after_number(body: bytes, at: int) -> int:
    """The position after the number at ``at``, which is stored after its length in bits."""
    return at + 2 + (int.from_bytes(body[at : at + 2], "big") + 7) // 8


def _derive(passphrase: bytes, salt: bytes) -> bytes:
    """The encryption key (RFC 4880, 3.7.1.3): the hash of salt and passphrase, repeated up to the count of bytes."""
    unit = salt + passphrase
    whole, rest = divmod(_COUNT, len(unit))
    return hashlib.sha256(unit * whole + unit[:rest]).digest()
