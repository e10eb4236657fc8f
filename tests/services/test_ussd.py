"""People are registered once, with the language they want; what a server answers to that is recorded from real ones."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cicscenario.errors import InterruptedRunError, InvalidError
from cicscenario.services.ussd import Dialect, Joined, Joining, UssdClient, UssdError
from cicscenario.services.ussd_screens import State
from tests.support.scripted_server import CLOSED, FAILED, SILENT, ScriptedServer, answer, screen

PHONE = "+254711080002"
MENU_SW = "CON Karibu Sarafu Network!\n1. English\n2. Kiswahili\n3. Kamba\n11. Mbele\n00. Ondoka"
MENU_EN = "CON Welcome to Sarafu Network!\n1. English\n2. Kiswahili\n3. Kamba\n11. Next\n00. Exit"
MENU_2021 = "CON Karibu Sarafu Network\n1. English\n2. Kiswahili\n3. Help"
CREATION_EN = "END Your account is being created. You will receive an SMS when your account is ready."
CREATION_SW = "END Akaunti yako ya Sarafu inatayarishwa. Utapokea ujumbe wa SMS akaunti yako ikiwa tayari."
PIN_EN = "CON Please enter a new four number PIN for your account."
PIN_SW = "CON Tafadhali weka pin mpya yenye nambari nne kwa akaunti yako"
START_SW = "CON Salio 1234.56 GFT\n1. Tuma\n2. Sarafu yangu\n3. Akaunti yangu\n4. Usaidizi"
BLOCKED = "END PIN yako imefungwa. Kwa usaidizi tafadhali piga simu 0757628885."
INVALID_CHOICE = "CON Chaguo lako sio sahihi. Kwa usaidizi piga simu 0757628885\n00. Rudi\n99. Ondoka"
SERVICE_CODE = "Bonyeza *483*46# kutumia mtandao wa Sarafu"


@pytest.fixture
def serving() -> Iterator[Callable[..., ScriptedServer]]:
    servers: list[ScriptedServer] = []

    def serve(*answers: bytes | None) -> ScriptedServer:
        servers.append(ScriptedServer(list(answers)))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


def old(server: ScriptedServer) -> UssdClient:
    return UssdClient(server.url, dialect=Dialect.OF_2021, pause=0)


def failure(call: Callable[[], Any]) -> UssdError:
    with pytest.raises(UssdError) as caught:
        call()
    return caught.value


def test_a_request_is_what_the_gateway_sends_byte_for_byte(serving: Callable[..., ScriptedServer]) -> None:
    server = serving(screen(MENU_SW), screen(CREATION_SW))
    ussd = UssdClient(server.url)
    menu = ussd.dial(PHONE)
    ussd.send(menu, "2")
    session = menu.session
    assert len(session) == 32
    assert int(session, 16)
    assert server.bodies == [
        f"sessionId={session}&serviceCode=%2A483%2A46%23&phoneNumber=%2B254711080002&text=",
        f"sessionId={session}&serviceCode=%2A483%2A46%23&phoneNumber=%2B254711080002&text=2",
    ]
    for head in server.heads:
        first, *headers = head.split("\r\n")
        assert first == "POST / HTTP/1.1"
        assert "Content-Type: application/x-www-form-urlencoded" in headers


def test_every_dial_is_a_session_of_its_own(serving: Callable[..., ScriptedServer]) -> None:
    server = serving(screen(START_SW), screen(START_SW))
    ussd = UssdClient(server.url)
    assert ussd.dial(PHONE).session != ussd.dial(PHONE).session
    assert ussd.requests == 2


def test_a_login_goes_into_the_query_and_nowhere_else(serving: Callable[..., ScriptedServer]) -> None:
    server = serving(answer(401, "Unauthorized"))
    ussd = UssdClient(server.url, username="importer", password="secret word")
    problem = failure(lambda: ussd.dial(PHONE))
    assert server.heads[0].startswith("POST /?username=importer&password=secret+word HTTP/1.1")
    server.close()
    gone = failure(lambda: ussd.dial(PHONE))
    for text in (str(problem), str(gone), str(problem.hint), str(gone.hint)):
        assert "secret" not in text


@pytest.mark.parametrize(
    ("language", "menu", "choice", "creation"),
    [
        ("en", MENU_SW, "1", CREATION_EN),
        ("sw", MENU_SW, "2", CREATION_SW),
        ("en", MENU_EN, "1", CREATION_EN),
        ("luo", MENU_EN, "6", "END Akaont ni mar Sarafu iloso. Iboyudo mesej ka akaont ni otieki."),
        ("bor", MENU_SW, "7", "END Akaunt kake ta Sarafu midasaan jiraa.Meseji siergan ojaa tayar taat"),
    ],
)
def test_an_unknown_number_is_registered_with_one_choice(
    serving: Callable[..., ScriptedServer], language: str, menu: str, choice: str, creation: str
) -> None:
    server = serving(screen(menu), screen(creation))
    joined = UssdClient(server.url).choose_language(PHONE, language)
    assert (joined.joining, joined.screen and joined.screen.text) == (Joining.PENDING, creation)
    assert server.texts() == ["", choice]
    assert len({form["sessionId"] for form in server.forms()}) == 1


def test_while_an_account_is_being_created_no_second_choice_is_made(serving: Callable[..., ScriptedServer]) -> None:
    """Recorded: until the callback, a dial shows the language menu again, and a choice there makes a second account."""
    server = serving(screen(MENU_SW), screen(PIN_SW))
    ussd = UssdClient(server.url)
    assert ussd.choose_language(PHONE, "sw", pending=True).joining is Joining.PENDING
    assert ussd.choose_language(PHONE, "sw", pending=True).joining is Joining.EXISTS
    assert server.texts() == ["", ""]


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (PIN_EN, State.PIN_ENTRY),
        (START_SW, State.START),
        (BLOCKED, State.BLOCKED),
        (INVALID_CHOICE, State.INVALID_CHOICE),
        ("CON Choose language:\n7. Borana\n22. Previous\n00. Exit", State.LANGUAGE_MENU_3),
    ],
)
def test_a_registered_number_is_left_alone(serving: Callable[..., ScriptedServer], body: str, state: State) -> None:
    server = serving(screen(body))
    joined = UssdClient(server.url).choose_language(PHONE, "en")
    assert joined.joining is Joining.EXISTS
    assert joined.screen is not None
    assert (joined.screen.state, joined.screen.text) == (state, body)
    assert len(server.bodies) == 1


def test_a_first_dial_of_2021_registers_and_a_later_one_chooses(serving: Callable[..., ScriptedServer]) -> None:
    server = serving(screen(CREATION_SW), screen(MENU_2021), screen(PIN_SW))
    ussd = old(server)
    assert ussd.choose_language(PHONE, "en").joining is Joining.PENDING
    assert ussd.choose_language(PHONE, "en", pending=True) == Joined(Joining.PENDING, None)
    assert len(server.bodies) == 1
    later = ussd.choose_language(PHONE, "en")
    assert (later.joining, later.screen and later.screen.text) == (Joining.EXISTS, PIN_SW)
    assert server.texts() == ["", "", "1"]
    first, second, third = (form["sessionId"] for form in server.forms())
    assert first != second == third


def test_a_server_of_2021_that_lags_behind_is_told_again(serving: Callable[..., ScriptedServer]) -> None:
    server = serving(screen(MENU_2021), screen(MENU_2021), screen(PIN_EN))
    assert old(server).choose_language(PHONE, "sw").joining is Joining.EXISTS
    assert server.texts() == ["", "2", "2"]


def test_a_server_of_2021_that_never_takes_the_choice_is_an_error(serving: Callable[..., ScriptedServer]) -> None:
    server = serving(*[screen(MENU_2021)] * 4)
    assert "again after each choice" in failure(lambda: old(server).choose_language(PHONE, "sw")).message


def test_a_session_of_2021_is_given_time(serving: Callable[..., ScriptedServer]) -> None:
    server = serving(screen(MENU_2021), screen(PIN_EN))
    began = time.monotonic()
    UssdClient(server.url, dialect=Dialect.OF_2021, pause=0.3).choose_language(PHONE, "en")
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(
    ("dialect", "language"), [(Dialect.CURRENT, "fr"), (Dialect.OF_2021, "luo"), (Dialect.CURRENT, "0")]
)
def test_a_language_that_is_not_offered_is_refused_before_anything_is_sent(dialect: Dialect, language: str) -> None:
    ussd = UssdClient("http://127.0.0.1:1", dialect=dialect)
    with pytest.raises(InvalidError, match="does not offer the language"):
        ussd.choose_language(PHONE, language)
    assert ussd.requests == 0


@pytest.mark.parametrize("phone", ["0799000001", "254799000001", "+44790000000001", "+2547", "", "+254711 080002"])
def test_a_number_that_would_be_lost_or_refused_is_not_dialled(phone: str) -> None:
    ussd = UssdClient("http://127.0.0.1:1")
    with pytest.raises(InvalidError, match="does not take the number"):
        ussd.dial(phone)
    assert ussd.requests == 0


Answers = Sequence[bytes | None]


@pytest.mark.parametrize(
    ("answers", "taken", "words"),
    [
        ([CLOSED], False, "closed the connection without an answer"),
        ([FAILED], False, "answered 500 Internal Server Error"),
        ([SILENT], False, "has not answered within"),
        ([answer(405, "Urlencoded, please")], False, "405 Urlencoded, please"),
        ([answer(403, "Sneaky, sneaky")], False, "this machine's address is not allowed"),
        ([answer(400, "Invalid phone number format")], False, "400 Invalid phone number format"),
        ([screen(MENU_SW), CLOSED], None, "closed the connection without an answer"),
        ([screen(MENU_SW), FAILED], None, "answered 500 Internal Server Error"),
        ([screen(MENU_SW), SILENT], None, "has not answered within"),
        ([screen(MENU_SW), screen(CREATION_EN)[:-5]], None, "closed the connection without an answer"),
        ([screen(MENU_SW), screen("END Something new.")], None, "'END Something new.'"),
        ([screen(MENU_SW), answer(403, "Sneaky, sneaky")], False, "403 Sneaky, sneaky"),
        ([screen(MENU_SW), screen(INVALID_CHOICE)], False, "Chaguo lako sio sahihi"),
        ([screen("CON Something new\n1. Yes")], False, "an unknown screen: 'CON Something new"),
    ],
)
def test_an_error_says_whether_the_choice_may_have_been_taken(
    serving: Callable[..., ScriptedServer], answers: Answers, taken: bool | None, words: str
) -> None:
    server = serving(*answers)
    timeout = 1 if SILENT in answers else 20
    problem = failure(lambda: UssdClient(server.url, timeout=timeout).choose_language(PHONE, "en"))
    assert problem.taken is taken
    assert problem.answered is ("without an answer" not in words and "has not answered within" not in words)
    assert words in problem.message
    assert server.url in problem.message
    assert ("whether the input was taken is not known" in problem.message) == (taken is None)


@pytest.mark.parametrize("reply", [CLOSED, FAILED, SILENT])
def test_a_first_dial_of_2021_may_have_been_taken(serving: Callable[..., ScriptedServer], reply: bytes | None) -> None:
    ussd = UssdClient(serving(reply).url, dialect=Dialect.OF_2021, timeout=1 if reply is SILENT else 20, pause=0)
    assert failure(lambda: ussd.choose_language(PHONE, "en")).taken is None


def test_a_server_that_is_not_there_has_taken_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    ussd = UssdClient(f"http://127.0.0.1:{port}", dialect=Dialect.OF_2021, password="secret-word")
    problem = failure(lambda: ussd.choose_language(PHONE, "en"))
    assert (problem.taken, problem.answered) == (False, False)
    assert f"http://127.0.0.1:{port} cannot be reached" in problem.message
    assert "Connection refused" in problem.message
    assert problem.hint == "is it running, and is `ussd.url` in the environment file right?"


def test_a_dialog_that_has_begun_when_the_run_is_stopped_comes_to_its_choice(
    serving: Callable[..., ScriptedServer],
) -> None:
    """Left there, the next run would wait long for an account that nobody asked for."""
    stopping = threading.Event()
    server = serving(screen(MENU_SW), screen(CREATION_SW))
    ussd = UssdClient(server.url, stopping=stopping)
    menu = ussd.dial(PHONE)
    stopping.set()
    assert ussd.send(menu, "2").state is State.ACCOUNT_CREATION
    with pytest.raises(InterruptedRunError):
        ussd.dial(PHONE)
    assert server.texts() == ["", "2"]


def pausing(status: int, seconds: float = 0.3) -> bytes:
    return f"HTTP/1.1 {status} Later\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    "answers",
    [
        [pausing(429), screen(MENU_SW), screen(CREATION_SW)],
        [pausing(503), screen(MENU_SW), screen(CREATION_SW)],
        [screen(MENU_SW), pausing(429), screen(CREATION_SW)],
    ],
    ids=["dial 429", "dial 503", "choice 429"],
)
def test_a_server_that_asks_for_a_pause_gets_it(serving: Callable[..., ScriptedServer], answers: Answers) -> None:
    server = serving(*answers)
    began = time.monotonic()
    assert UssdClient(server.url).choose_language(PHONE, "sw").joining is Joining.PENDING
    assert time.monotonic() - began >= 0.3
    assert len(server.bodies) == 3
    assert len(set(server.bodies)) == 2  # the one that was not carried out is repeated to the letter


def test_a_choice_that_may_have_been_taken_is_not_repeated(serving: Callable[..., ScriptedServer]) -> None:
    server = serving(screen(MENU_SW), pausing(503))
    assert failure(lambda: UssdClient(server.url).choose_language(PHONE, "sw")).taken is None
    assert len(server.bodies) == 2


@pytest.mark.parametrize(("status", "taken"), [(429, False), (503, None)])
def test_a_first_dial_of_2021_is_repeated_only_when_it_was_not_taken(
    serving: Callable[..., ScriptedServer], status: int, taken: bool | None
) -> None:
    server = serving(*[pausing(status, 0.1)] * 9)
    assert failure(lambda: old(server).choose_language(PHONE, "en")).taken is taken
    assert len(server.bodies) == (3 if status == 429 else 1)


EXIT_SW, PIN_AGAIN = "END Chaguo si sahihi", "CON Weka PIN yako tena"


@pytest.mark.parametrize(
    ("answers", "sent"),
    [
        ([screen(PIN_AGAIN), screen(EXIT_SW)], ["0", "0"]),
        ([screen(START_SW)], ["0"]),
        ([screen(PIN_AGAIN)] * 20, ["0"] * 8),
    ],
    ids=["to the end", "to the start menu", "no way out"],
)
def test_a_session_is_left_by_going_back(
    serving: Callable[..., ScriptedServer], answers: Answers, sent: list[str]
) -> None:
    server = serving(*answers)
    UssdClient(server.url).leave(PHONE, "a session")
    assert server.texts() == sent
    assert {form["sessionId"] for form in server.forms()} == {"a session"}


def test_the_session_of_a_dial_that_failed_is_known(serving: Callable[..., ScriptedServer]) -> None:
    server = serving(answer(500, "Internal Server Error"))
    problem = failure(lambda: UssdClient(server.url).dial(PHONE))
    assert problem.session == server.forms()[0]["sessionId"]


def test_a_service_code_that_is_not_known_names_the_one_that_is(serving: Callable[..., ScriptedServer]) -> None:
    server = serving(screen(SERVICE_CODE, "OK"))
    with pytest.raises(InvalidError, match=r"does not know the service code '\*1#': .*\*483\*46#"):
        UssdClient(server.url, service_code="*1#").choose_language(PHONE, "en")


def test_a_server_that_takes_calls_refuses_the_number_that_cannot_be(serving: Callable[..., ScriptedServer]) -> None:
    server = serving(answer(400, "Invalid phone number format"))
    UssdClient(server.url).check()
    assert server.forms()[0]["phoneNumber"] == "+25471"  # recorded with this answer from both servers


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer(405, "Play by the rules"), "this is not the address of a phone interface"),
        (answer(404, "Not Found"), "there is nothing at this address"),
        (screen("<html>It works!</html>", "OK"), "answered with what is no screen"),
        (CLOSED, "closed the connection"),
        (answer(400, "Bad Request"), "400 Bad Request"),
    ],
)
def test_what_is_no_phone_interface_is_found_before_anybody_is_dialled(
    serving: Callable[..., ScriptedServer], reply: bytes, words: str
) -> None:
    assert words in failure(UssdClient(serving(reply).url).check).message


def test_the_check_finds_a_wrong_service_code(serving: Callable[..., ScriptedServer]) -> None:
    with pytest.raises(InvalidError, match="does not know the service code"):
        UssdClient(serving(screen(SERVICE_CODE, "OK")).url, service_code="*1#").check()


def test_no_call_goes_out_on_the_connection_of_another(serving: Callable[..., ScriptedServer]) -> None:
    """It may be closing, and the call would seem to have been taken."""
    server = serving(screen(START_SW), screen(START_SW))
    server.lingers = True
    ussd = UssdClient(server.url, timeout=2)
    assert [ussd.dial(PHONE).state for _ in range(2)] == [State.START, State.START]


def test_many_threads_may_call(serving: Callable[..., ScriptedServer]) -> None:
    server = serving(*[screen(START_SW)] * 400)
    ussd = UssdClient(server.url)
    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(lambda _: ussd.dial(PHONE), range(400)))
    assert {one.state for one in seen} == {State.START}
    assert ussd.requests == 400
    assert {one.session for one in seen} == {form["sessionId"] for form in server.forms()}
    assert len({one.session for one in seen}) == 400


@pytest.mark.parametrize("url", ["127.0.0.1:9000", "ftp://host", "http://host/?password=x", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidError, match="not the address of a phone interface") as caught:
        UssdClient(url)
    assert "password=x" not in str(caught.value)


# The dialect


HEALTHY = answer(200, "OK", "healthy")
NO_PATH = answer(405, "Play by the rules")


@pytest.mark.parametrize(
    ("reply", "dialect"),
    [
        (HEALTHY, Dialect.CURRENT),
        (NO_PATH, Dialect.OF_2021),
        (answer(200, "OK", "<html>welcome</html>"), None),
        (answer(404, "Not Found"), None),
        (answer(405, "Method Not Allowed"), None),
        (answer(502, "Bad Gateway"), None),
        (answer(301, "Moved Permanently"), None),
        (CLOSED, None),
    ],
)
def test_the_dialect_is_seen_by_the_health_check_and_not_guessed(
    serving: Callable[..., ScriptedServer], reply: bytes, dialect: Dialect | None
) -> None:
    server = serving(reply)
    assert UssdClient(server.url, username="a", password="b").dialect() is dialect
    assert server.heads[0].startswith("GET /health-check HTTP/1.1")


def test_the_dialect_of_an_interface_that_cannot_be_reached_is_not_known() -> None:
    assert UssdClient("http://127.0.0.1:9").dialect() is None


def test_an_account_that_the_first_dial_makes_shows_the_interface_of_2021(
    serving: Callable[..., ScriptedServer],
) -> None:
    """What was made is saved as requested, and nobody else is dialled."""
    saved: list[bool] = []
    with pytest.raises(
        InvalidError, match=r"made an account for \+254711080002 at the first dial, as cic-ussd of 2021"
    ) as caught:
        UssdClient(serving(screen(CREATION_SW)).url).choose_language(
            PHONE, "sw", requesting=lambda: not saved.append(True)
        )
    assert saved == [True]
    assert caught.value.hint == 'set `dialect: "2021"` in `backend` of the scenario'


def test_a_screen_of_the_other_dialect_names_it(serving: Callable[..., ScriptedServer]) -> None:
    with pytest.raises(InvalidError, match="as cic-ussd of 2022 does") as caught:
        old(serving(screen(MENU_SW))).choose_language(PHONE, "sw")
    assert caught.value.hint == "set `dialect: current` in `backend` of the scenario"


def test_a_request_is_announced_right_before_the_input_that_makes_the_account(
    serving: Callable[..., ScriptedServer],
) -> None:
    server = serving(screen(MENU_EN), screen(CREATION_EN))
    seen: list[int] = []
    UssdClient(server.url).choose_language(PHONE, "en", requesting=lambda: not seen.append(len(server.bodies)))
    assert seen == [1], "after the dial, before the choice"
    early = serving(screen(CREATION_SW))
    seen.clear()
    old(early).choose_language(PHONE, "sw", requesting=lambda: not seen.append(len(early.bodies)))
    assert seen == [0], "the dial makes it"


@pytest.mark.parametrize("make", [UssdClient, None])
def test_what_may_not_be_requested_is_not_sent(serving: Callable[..., ScriptedServer], make: Any) -> None:
    server = serving(screen(MENU_EN), screen(CREATION_EN))
    ussd = UssdClient(server.url) if make else old(server)
    assert ussd.choose_language(PHONE, "en", requesting=lambda: False).joining is Joining.PENDING
    assert server.texts() == ([""] if make else [])
