"""A certificate authority that is made for a test, and servers that speak TLS before those that do not."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # what a PostgreSQL client asks first


class Authority:
    """Its own certificate is in ``file``; ``server`` is what its server shows, in a context."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.file = folder / f"{name}.pem"
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Authority {name}")])
        self.file.write_bytes(_pem(self._signed(self._name, self._key.public_key(), authority=True)))

    def server(self, host: str = "127.0.0.1", *, days: int = 1) -> ssl.SSLContext:
        """A certificate for ``host`` that ends in ``days``; a negative number for one that has ended."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        chain = self._folder / f"{host}.{days}.server.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain.write_bytes(private + _pem(self._signed(name, key.public_key(), host=host, days=days)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool = False, host: str = "", days: int = 1
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=3))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if host:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(host)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@contextmanager
def tls_before(port: int, context: ssl.SSLContext, *, postgres: bool = False) -> Iterator[int]:
    """A port of 127.0.0.1 that speaks TLS, and passes on to ``port`` what it decrypts. ``postgres``: it is asked for TLS."""
    sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def begin(work: Callable[..., None], *arguments: Any) -> None:
        threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        threads[-1].start()

    def serve(accepted: socket.socket) -> None:
        with suppress(OSError):
            if postgres:
                assert accepted.recv(8) == _SSL_REQUEST
                accepted.sendall(b"S")
            secure = context.wrap_socket(accepted, server_side=True)
            inner = socket.create_connection(("127.0.0.1", port))
            sockets.extend([secure, inner])
            for start, end in ((secure, inner), (inner, secure)):
                begin(_copy, start, end)

    def accept() -> None:
        with suppress(OSError):
            while True:
                accepted = listening.accept()[0]
                sockets.append(accepted)
                begin(serve, accepted)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        begin(accept)
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    for one in sockets:
        with suppress(OSError):
            socket.socket.shutdown(one, socket.SHUT_RDWR)
    for thread in threads:
        thread.join(5)
    for one in sockets:
        with suppress(OSError):
            one.close()


def _copy(start: socket.socket, end: socket.socket) -> None:
    with suppress(OSError):
        while data := start.recv(65536):
            end.sendall(data)
    for one in (start, end):
        with suppress(OSError):
            socket.socket.shutdown(one, socket.SHUT_RDWR)
