"""What TLS connections trust: the public certificate authorities, and those in the environment file's ``ca``.

The list of public ones is that of the package ``certifi``. Variables such as SSL_CERT_FILE change nothing.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import certifi

from cicscenario.errors import InvalidError, reason_of
from cicscenario.inputs import read_input
from cicscenario.transport.exchange import MeteredTls

_LARGEST = 20_000_000  # bytes of a file of authorities; that of all public ones has 300,000


@lru_cache
def context(ca: Path | None = None) -> ssl.SSLContext:
    """For connections of a client, which belong to the current exchange. ``ca`` is a PEM file of further authorities.

    Raises InvalidError when ``ca`` cannot be read or holds no certificate.
    """
    # Not ssl.create_default_context, which reads SSL_CERT_FILE and writes the session's keys to SSLKEYLOGFILE.
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.sslsocket_class = MeteredTls
    made.load_verify_locations(certifi.where())
    if ca:
        _load(made, ca)
    return made


def authorities(ca: Path | None = None) -> Path:
    """The PEM file for a library that takes one file only: ``ca``, or the public authorities without it.

    Raises InvalidError when ``ca`` cannot be read or holds no certificate.
    """
    if ca is None:
        return Path(certifi.where())
    _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca)
    return ca


def _load(into: ssl.SSLContext, ca: Path) -> None:
    try:
        into.load_verify_locations(cadata=read_input(ca, _LARGEST).decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        raise InvalidError(
            f"{ca} holds no certificate in PEM form", hint="name a file that has -----BEGIN CERTIFICATE-----"
        ) from None
    except OSError as error:
        reason = reason_of(error)
        raise InvalidError(f"cannot read {ca}: {reason}", hint="name a file of certificate authorities") from None


@contextmanager
def untrusted_told() -> Iterator[None]:
    """Gives an ssl.SSLCertVerificationError that the block raises a text for people."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        # The same object: clients show the innermost cause.
        reason = (getattr(error, "verify_message", None) or error.strerror or "").rstrip(".")
        error.strerror = (
            f"its certificate is not trusted ({reason}); the environment file's `ca` names the authorities to trust"
        )
        error.args = (error.errno, error.strerror)
        raise
