"""Requests as browsers and programs send them to a server of the sandbox, whose port is known."""

import http.client
from collections.abc import Mapping

EVIL = "http://evil.example"
#: Headers by what they are of; ``{port}`` is the server's. Nobody is answered.
STRANGERS: dict[str, Mapping[str, str]] = {
    "a page of another site": {"Host": "127.0.0.1:{port}", "Origin": EVIL, "Content-Type": "text/plain"},
    "a page in a frame without an origin": {"Host": "127.0.0.1:{port}", "Origin": "null"},
    "a name that was bound again": {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"},
    "the same, without an origin": {"Host": "evil.example:{port}"},
    "a name that begins as this machine's": {"Host": "127.0.0.1.evil.example:{port}"},
    "a name that ends as this machine's": {"Host": "evil-localhost:{port}"},
    "a user that looks like this machine": {"Host": "127.0.0.1@evil.example:{port}"},
    "an address of another machine": {"Host": "192.0.2.1:{port}"},
    "an address of all": {"Host": "0.0.0.0:{port}"},
    "no name": {"Host": ""},
    "a picture of another site": {"Host": "localhost:{port}", "Sec-Fetch-Site": "cross-site"},
    "a form of another site": {
        "Host": "localhost:{port}", "Origin": EVIL, "Content-Type": "application/x-www-form-urlencoded",
    },
    "an address in the form of a file": {"Host": "localhost:{port}", "Origin": "file://"},
}  # fmt: skip
PROGRAMS: dict[str, Mapping[str, str]] = {
    "a program": {"Host": "127.0.0.1:{port}"},
    "curl": {"Host": "localhost:{port}", "User-Agent": "curl/8", "Accept": "*/*"},
    "one that uses another address of loopback": {"Host": "127.0.0.2:{port}"},
    "one that uses IPv6": {"Host": "[::1]:{port}"},
    "one behind a tunnel": {"Host": "localhost:9000"},
    "an address that was typed": {"Host": "localhost:{port}", "Sec-Fetch-Site": "none"},
    "the server's own page": {
        "Host": "localhost:{port}", "Origin": "http://localhost:{port}", "Sec-Fetch-Site": "same-origin",
    },
}  # fmt: skip
#: A page that another server of this machine has.
LOCAL_PAGE: Mapping[str, str] = {
    "Host": "127.0.0.1:{port}", "Origin": "http://localhost:4200", "Sec-Fetch-Site": "same-site",
}  # fmt: skip


def with_port(headers: Mapping[str, str], port: int) -> list[tuple[str, str]]:
    return [(name, value.replace("{port}", str(port))) for name, value in headers.items()]


def visit(
    port: int, method: str, path: str, body: bytes, headers: Mapping[str, str], more: Mapping[str, str]
) -> tuple[int, str]:
    """Status and body of the answer to a request with exactly these headers; ``more`` are those that are not there yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in [*with_port(headers, port), *((n, v) for n, v in more.items() if n not in headers)]:
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    said = answer.status, answer.read().decode()
    connection.close()
    return said
