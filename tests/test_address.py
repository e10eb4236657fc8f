"""The secrets in addresses and logins are in no message, whatever repeats them; and nothing else is made unreadable."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from cicscenario.address import Redaction, public, without_known
from cicscenario.chain.rpc import Rpc
from cicscenario.errors import CicScenarioError
from cicscenario.language.redaction import redact
from cicscenario.printable import foreign
from cicscenario.services.accounts import AccountsDatabase
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.meta import MetaClient
from cicscenario.services.ussd import UssdClient
from tests.support.saying_server import SayingServer, http_reply, postgres_error, redis_error, rpc_error

KEY = "k3y9f8e7d6c5b4a39281"
PASSWORD = "open/se same+7"
FORMS: dict[str, Callable[[str], str]] = {
    "raw": lambda secret: secret,
    "quoted for an address": lambda secret: quote(secret, safe=""),
    "in an address": lambda secret: f"http://somebody:{quote(secret, safe='')}@10.0.0.1/x",
    "in quotes": lambda secret: f"'{secret}'",
    "called by its name": lambda secret: f"host=x password={quote(secret, safe='')} port=1",
}


@dataclass(frozen=True)
class Client:
    """How a client with these secrets is asked, and its service's answer with a text in it."""

    ask: Callable[[SayingServer], object]
    answers: tuple[Callable[[str], bytes], ...]


def _at(server: SayingServer, *, login: bool = True) -> str:
    user = f"somebody:{quote(PASSWORD, safe='')}@" if login else ""
    return f"http://{user}127.0.0.1:{server.port}/v3/{KEY}"


def _page(text: str) -> bytes:
    return http_reply("OK", f"<p>Cannot POST {text}".encode(), 200, Content_Type="text/html")


def _reason(text: str) -> bytes:
    return http_reply(f"Gone {text}", b"", 410)


CLIENTS = {
    "chain": Client(lambda s: Rpc(_at(s), patience=0).call("eth_chainId"), (_page, _reason, rpc_error)),
    "ussd": Client(
        lambda s: UssdClient(_at(s, login=False), username="gateway", password=PASSWORD).choose_language("+254700000000", "en"),
        (_page, _reason),
    ),
    "meta": Client(lambda s: MetaClient(_at(s, login=False), pauses=(0.0,)).get(bytes(32)), (_page, _reason)),
    "custodial": Client(
        lambda s: Broker(f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{s.port}/0", "queue", patience=0).waiting(),
        (redis_error,),
    ),
    "accounts": Client(
        lambda s: AccountsDatabase("127.0.0.1", s.port, "cic_ussd", "somebody", PASSWORD).check(), (postgres_error,)
    ),
}  # fmt: skip
CASES = [(name, number) for name, client in CLIENTS.items() for number in range(len(client.answers))]


@pytest.mark.parametrize(("name", "number"), CASES)
@pytest.mark.parametrize("form", FORMS)
def test_what_a_service_repeats_of_its_login_is_not_shown(name: str, number: int, form: str) -> None:
    client = CLIENTS[name]
    secrets = {"meta": (KEY,), "custodial": (PASSWORD,), "accounts": (PASSWORD,)}.get(name, (KEY, PASSWORD))
    text = " ".join(f"/v3/{KEY} {FORMS[form](secret)}" if secret == KEY else FORMS[form](secret) for secret in secrets)
    with SayingServer(client.answers[number](text)) as server, pytest.raises(CicScenarioError) as caught:
        client.ask(server)
    said = f"{caught.value} {caught.value.message} {caught.value.hint} {caught.value!r}"
    for secret in secrets:
        assert secret not in said
        assert quote(secret, safe="") not in said
    assert str(server.port) in said  # it still says where


@pytest.mark.parametrize("name", CLIENTS)
def test_what_cannot_be_reached_is_named_without_its_secrets(name: str) -> None:
    server = SayingServer(b"")
    server._server.server_close()
    with pytest.raises(CicScenarioError) as caught:
        CLIENTS[name].ask(server)
    said = f"{caught.value.message} {caught.value.hint}"
    assert str(server.port) in said
    assert not any(secret in said for secret in (KEY, PASSWORD, quote(PASSWORD, safe="")))


@pytest.mark.parametrize("password", ["on", "a", "e", "the", "conn", "ation"])
def test_a_short_password_is_not_looked_for_in_other_words(password: str) -> None:
    said = "connection to the server at 10.0.0.1 failed: authentication refused"
    assert Redaction("", password)(said) == said


def test_a_whole_word_is_hidden_wherever_it_stands() -> None:
    hide = Redaction("", "sesame")
    assert hide("x sesame, 'sesame' sesame=1 (sesame)") == "x ***, '***' ***=1 (***)"
    assert hide("sesames and opensesame") == "sesames and opensesame"


def test_what_http_makes_of_a_login_is_hidden() -> None:
    hide = Redaction(f"http://somebody:{quote(PASSWORD, safe='')}@127.0.0.1/")
    assert hide(f"Authorization: Basic {base64.b64encode(f'somebody:{PASSWORD}'.encode()).decode()}").endswith(
        "Basic ***"
    )


@pytest.mark.parametrize(
    "text",
    [
        "redis://:hunter2@10.0.0.1:6379/0", "postgresql://u:hunter2@/db?host=/run", "host=x password=hunter2",
        "host=x PASSWORD = hunter2", "token=hunter2&x=1", "apikey=hunter2", "private_key=hunter2;", "pwd=hunter2",
    ],
)  # fmt: skip
def test_a_login_of_anybody_is_hidden_in_what_others_say(text: str) -> None:
    assert "hunter2" not in foreign(f"cannot use {text} here")
    assert foreign(f"cannot use {text} here").endswith("here")


@pytest.mark.parametrize(
    "line",
    [
        f"  rpc: https://node.example/v3/{KEY}",
        f"  rpc: [https://node.example/v3/{KEY}, https://b.example]",
        f"  rpc: https://node.example/rpc?x={KEY}&y=1",
        f'  rpc: "https://{{{{ env.HOST }}}}/v3/{KEY}"',
        f"  url: 'http://u:{KEY}@phone.example/x'",
    ],
)
def test_a_line_of_a_file_is_quoted_without_the_key_in_an_address(line: str) -> None:
    shown = redact(line)
    assert KEY not in shown
    assert KEY[:6] not in shown
    assert len(shown) == len(line)
    assert "example" in shown or "HOST" in shown


def test_the_last_net_hides_what_was_read_and_leaves_words() -> None:
    Redaction("https://node.example/cicscenario/rpc-of-the-node/0123456789abcdef", "a-long-password-1", "chain")
    text = "cicscenario: the chain at https://node.example/cicscenario/rpc-of-the-node does not answer"
    assert without_known(text) == text
    assert without_known(json.dumps("a-long-password-1 0123456789abcdef")) == '"*** ***"'


@pytest.mark.parametrize("url", ["http://[::1", "http://a:b@c:d/e"])
def test_an_address_that_is_none_is_not_shown(url: str) -> None:
    assert public(url) == "(not shown)"
    assert Redaction(url)(f"cannot open {url}") == "cannot open (not shown)"
