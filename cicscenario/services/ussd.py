"""Client of the phone interface (cic-ussd): dials for a person, as a telephone company's gateway does.

Protocol: one POST per input, answered with the next screen (plain text beginning CON or END). Source: cic-ussd 0.3.1a7,
``cic_ussd.runnable.daemons.cic_user_ussd_server``, and its version of August 2021.
"""

import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import urllib3
from requests import ConnectTimeout, RequestException, Response, Timeout

from cicscenario.address import Redaction, public
from cicscenario.boundaries import Boundary
from cicscenario.errors import InvalidError, UnavailableError
from cicscenario.printable import foreign
from cicscenario.retry import PAUSES
from cicscenario.retry import pause as wait
from cicscenario.services.ussd_limits import CHOICES, language_problem, number_problem
from cicscenario.services.ussd_screens import Dialect, Screen, State, dialect_words, recognise, use
from cicscenario.transport.http import HttpSessions, ResponseTooLargeError
from cicscenario.transport.traffic import Meter

_POST = Boundary("phone.post")  # one key press, or a dial
_CONTENT_TYPE = "application/x-www-form-urlencoded"  # to the letter: with a charset the server answers 405
_NO_PHONE = "+25471"  # too short for both dialects; text without digits makes that of 2021 close the connection
_PAUSES = {Dialect.CURRENT: 0.0, Dialect.OF_2021: 2.5}  # that of 2021 stores a session only after its answer
_MISREAD = 3  # choices of a language that the server does not take, before that is an error
SILENT = 3  #: people in a row who got no answer at all, before nobody else is called
_REFUSED = {
    400: "it refuses the phone number or the form of the request",
    401: "it wants another user name or password",
    403: "this machine's address is not allowed",
    404: "there is nothing at this address",
    405: "this is not the address of a phone interface",
    429: "it takes no more calls for now",
}
_NO_SUCH_PATH = (405, "Play by the rules")  # cic-ussd's answer to anything but POST /
_TOO_MANY, _UNAVAILABLE = 429, 503
_OF_A_PROXY = (502, 503, 504)  # what a proxy says when it does not reach cic-ussd, which never says it
_BACK = "0"
_DOUBT = "; whether the input was taken is not known"
_DEEPEST = 8  # menus that a session is left by, at most
_REPEATS = (0.0, 0.0, 0.0)  # a request is sent twice again to a server that asks for a pause, which it says


class UssdError(UnavailableError):
    """The phone interface could not be reached, or did not answer as it should.

    ``taken`` is False when the input certainly had no effect, and None when that is not known: then look whether there is an
    account before choosing again, since every choice that is taken makes one. ``answered`` is whether the interface
    answered: an answer concerns one person; no answer, or that of a proxy, concerns everybody. ``session`` is that of the
    input, if there was one.
    """

    def __init__(
        self, message: str, *, taken: bool | None, hint: str | None = None, answered: bool = True, session: str = ""
    ) -> None:
        super().__init__(message + ("" if taken is False else _DOUBT), hint=hint)
        self.taken = taken
        self.answered = answered
        self.session = session

    def without_effect(self) -> "UssdError":
        """The same, for an input that does nothing but show a menu."""
        words = self.message.removesuffix(_DOUBT)
        return UssdError(words, taken=False, hint=self.hint, answered=self.answered, session=self.session)


class Joining(StrEnum):
    """How far the registration of a person is after a call."""

    PENDING = "pending"  #: the account is being created; it exists once the phone pointer does
    EXISTS = "exists"  #: the number is registered


@dataclass(frozen=True)
class Joined:
    """The result of ``choose_language``, and the last ``screen`` seen (None when nothing was sent)."""

    joining: Joining
    screen: Screen | None


class UssdClient:
    """The interface at ``url``, called by ``service_code``. ``timeout`` is seconds for one request and its whole answer;
    ``pause`` is seconds between the inputs of one session (default: what the dialect needs). ``username`` and ``password`` go
    into the query string, where a proxy in front of the server looks for them. ``requests`` counts what was sent.

    The server takes one request at a time: calling by several threads is safe and gains nothing.
    """

    def __init__(
        self,
        url: str,
        *,
        service_code: str = "*483*46#",
        username: str | None = None,
        password: str | None = None,
        dialect: Dialect = Dialect.CURRENT,
        timeout: float = 30,
        pause: float | None = None,
        stopping: threading.Event | None = None,
        ca: Path | None = None,
        meter: Meter | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise InvalidError("not the address of a phone interface", hint="write http://host:port, without a query")
        self.address = public(url)
        login = [(name, value) for name, value in (("username", username), ("password", password)) if value is not None]
        self._url = f"{url}?{urlencode(login)}" if login else url
        self._redact = Redaction(url, password)
        self._service_code = service_code
        self._dialect = dialect
        self._pause = _PAUSES[dialect] if pause is None else pause
        self._stopping = stopping
        self._timeout = timeout
        # A connection for each request: the server closes it after its answer without saying so before, and a request on a
        # connection that is being closed would end like one that was taken and not answered.
        self._meter = meter or Meter()
        self._http = HttpSessions(timeout, stopping, keep=False, ca=ca, meter=self._meter)

    @property
    def repeats_itself(self) -> bool:
        """Whether requests are sent again here, as often as the environment says, and so nowhere else."""
        return self._meter.retries is not None

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return self._http.sent

    def check(self) -> None:
        """Dials with an invalid number, which a working server refuses only after it has found all else in order.

        Raises UssdError, or InvalidError for a service code that the server does not have. Creates nothing.
        """
        reply = self._answer(uuid.uuid4().hex, _NO_PHONE, "", creates=False, pauses=(0.0,))
        if reply.status_code != 400 or reply.reason != "Invalid phone number format":
            self._screen(reply, "", "", creates=False)
            raise UssdError(
                f"{self.address} takes {_NO_PHONE} for a phone number, which no phone interface does",
                taken=False,
                hint="is `ussd.url` in the environment file the address of cic-ussd?",
            )

    def dial(self, phone: str) -> Screen:
        """The first screen of a new session for an E.164 number. In the dialect of 2021 this registers an unknown number."""
        wait(0, self._stopping)
        return self._input(uuid.uuid4().hex, phone, "", creates=self._dialect is Dialect.OF_2021)

    def send(self, screen: Screen, text: str) -> Screen:
        """The screen after an input to ``screen``."""
        if self._pause:
            wait(
                self._pause, self._stopping
            )  # else a dialog that has begun goes on when the run is stopped, to its choice
        return self._input(screen.session, screen.phone, text, creates=True)

    def leave(self, phone: str, session: str) -> None:
        """Goes back from menu to menu, until the session is over or at the start menu; the next dial resumes it no more.

        Only for a number that is registered: any other chooses a language by this input, which makes an account. Raises
        UssdError when an input is not answered with a screen.

        Source: cic-ussd answers 0 of a registered number with the menu above, and ends the session where there is none. It does
        so before it looks at anything else, so a 0 is never taken for a PIN.
        """
        for _ in range(_DEEPEST):
            if self._pause:
                wait(self._pause, self._stopping)
            screen = self._input(session, phone, _BACK, creates=False)
            if not screen.goes_on or screen.state is State.START:
                return

    def dialect(self) -> Dialect | None:
        """The dialect that the server speaks, as far as a look shows it. Creates nothing; None when it cannot be seen.

        ``/health-check`` is answered 200 ``healthy`` since March 2022. Earlier versions answer 405 with a reason of their own.
        Anything else may come from a proxy.
        """
        reply = self._health()
        if reply is None:
            return None
        if reply.status_code == 200 and reply.content.strip() == b"healthy":
            return Dialect.CURRENT
        return Dialect.OF_2021 if (reply.status_code, reply.reason) == _NO_SUCH_PATH else None

    def choose_language(
        self, phone: str, language: str, *, pending: bool = False, requesting: Callable[[], bool] = lambda: True
    ) -> Joined:
        """Registers a number with a language, unless it is registered already.

        ``pending`` says that an earlier call for this number may have been taken. Then no choice is made: until there is an
        account, the interface offers the choice again, and a second choice makes a second account. In the dialect of 2021 the
        first call registers the number, and a call once there is an account chooses the language.

        ``requesting`` is called right before the input that makes the account. If it returns False, nothing is sent.

        Raises InvalidError for a language it does not offer and for a server of another dialect, and UssdError (see there for
        what is known then).
        """
        choice = self._choice(language)
        if self._dialect is Dialect.OF_2021 and (pending or not requesting()):
            return Joined(Joining.PENDING, None)  # every dial would register the number again
        screen = self.dial(phone)
        if screen.state is State.ACCOUNT_CREATION:
            if self._dialect is Dialect.CURRENT:
                requesting()
                raise self._other_dialect(f"made an account for {phone} at the first dial", Dialect.OF_2021)
            return Joined(Joining.PENDING, screen)
        if screen.state is not State.LANGUAGE_MENU:
            return Joined(Joining.EXISTS, self._expected(screen, taken=False))
        if self._dialect is Dialect.OF_2021:
            return Joined(Joining.EXISTS, self._choose_later(screen, choice))
        if pending or not requesting():
            return Joined(Joining.PENDING, screen)
        chosen = self.send(screen, choice)
        if chosen.state is State.ACCOUNT_CREATION:
            return Joined(Joining.PENDING, chosen)
        refused = chosen.state in (State.INVALID_CHOICE, State.LANGUAGE_MENU)
        raise UssdError(
            f"phone interface {self.address} answered the choice of {language!r} for {phone} with {chosen}",
            taken=False if refused else None,
            hint="is `backend.dialect` of the scenario the server's?",
        )

    def _choose_later(self, screen: Screen, choice: str) -> Screen:
        """Chooses the language of an account that exists. A server that is behind shows the menu again."""
        for _ in range(_MISREAD):
            screen = self.send(screen, choice)
            if screen.state is not State.LANGUAGE_MENU:
                return self._expected(screen, taken=None)
        raise UssdError(f"phone interface {self.address} shows the language menu again after each choice", taken=False)

    def _choice(self, language: str) -> str:
        if problem := language_problem(language, self._dialect):
            raise InvalidError(problem)
        return CHOICES[self._dialect][language]

    def _expected(self, screen: Screen, *, taken: bool | None) -> Screen:
        if screen.state is State.UNKNOWN:
            other = Dialect.CURRENT if self._dialect is Dialect.OF_2021 else Dialect.OF_2021
            if recognise(screen.text, other).state is not State.UNKNOWN:
                raise self._other_dialect(f"shows {screen.phone} the screen {screen}", other)
            raise UssdError(
                f"phone interface {self.address} answered {screen.phone} with an unknown screen: {screen}",
                taken=taken,
                hint="is `backend.dialect` of the scenario the server's?",
            )
        return screen

    def _other_dialect(self, what: str, seen: Dialect) -> InvalidError:
        return InvalidError(
            f"phone interface {self.address} {what}, as cic-ussd {dialect_words(seen)} does", hint=use(seen)
        )

    def _input(self, session: str, phone: str, text: str, *, creates: bool) -> Screen:
        if problem := number_problem(phone):
            raise InvalidError(problem)
        reply = self._answer(session, phone, text, creates=creates, pauses=_REPEATS)
        return self._screen(reply, session, phone, creates=creates)

    def _answer(self, session: str, phone: str, text: str, *, creates: bool, pauses: Sequence[float]) -> Response:
        """The answer to an input, which is sent again when it certainly had no effect.

        By itself only for a server that asks for a pause; with a number of retries, also when it got no answer.
        """
        counted = self._meter.retries is not None
        attempts = self._meter.attempts(self._stopping, PAUSES if counted else pauses, always_once=True)
        failure: UssdError | None = None
        for _ in attempts:
            try:
                reply, failure = self._post(session, phone, text, creates=creates), None
            except UssdError as error:
                if not counted or error.taken is not False:
                    raise
                failure = error
                attempts.failed(error.message)
                continue
            asked = reply.headers.get("Retry-After")
            if not _not_carried_out(reply.status_code, creates=creates) or (asked is None and not counted):
                break
            attempts.failed(f"{self.address} answered HTTP {reply.status_code} and asked for a pause", asked)
        if failure:
            raise failure
        return reply

    def _screen(self, reply: Response, session: str, phone: str, *, creates: bool) -> Screen:
        if reply.status_code != 200:
            why = _REFUSED.get(reply.status_code)
            raise UssdError(
                f"phone interface {self.address} answered {reply.status_code} {foreign(self._redact(reply.reason), 80)}"
                + (f": {why}" if why else ""),
                taken=False if why or not creates else None,
                answered=reply.status_code not in _OF_A_PROXY,
                session=session,
            )
        screen = recognise(reply.content.decode("utf-8", "replace"), self._dialect, session, phone)
        if screen.state is State.UNKNOWN:  # such as the page of a proxy, which repeats the address
            screen = replace(screen, text=self._redact(screen.text))
        if screen.state is State.UNKNOWN_SERVICE_CODE:
            raise InvalidError(
                f"phone interface {self.address} does not know the service code {self._service_code!r}: it says {screen}",
                hint="put the code that it names into `ussd.service_code` of the environment file",
            )
        if screen.state is State.UNKNOWN and screen.goes_on is None:
            raise UssdError(
                f"phone interface {self.address} answered with what is no screen: {screen}",
                taken=None if creates else False,
                hint="is `ussd.url` in the environment file the address of cic-ussd, or does a proxy answer in its place?",
                answered=False,
                session=session,
            )
        return screen

    def _health(self) -> Response | None:
        parts = urlsplit(self._url)
        try:
            return self._http.get(f"{parts.scheme}://{parts.netloc}/health-check", headers={"Connection": "close"})
        except RequestException:
            return None  # no answer shows nothing

    def _post(self, session: str, phone: str, text: str, *, creates: bool) -> Response:
        form = {"sessionId": session, "serviceCode": self._service_code, "phoneNumber": phone, "text": text}
        headers = {"Content-Type": _CONTENT_TYPE, "Connection": "close"}
        try:
            with _POST:
                return self._http.post(self._url, data=urlencode(form), headers=headers)
        except RequestException as error:
            words, reached = _reason(error, self._timeout)
            raise UssdError(
                f"phone interface {self.address} {words}",
                taken=None if reached and creates else False,
                hint=None if reached else "is it running, and is `ussd.url` in the environment file right?",
                answered=False,
            ) from None


def _not_carried_out(status: int, *, creates: bool) -> bool:
    """Whether a request with this answer may be sent again: 503 may come from a proxy behind which it was carried out."""
    return status == _TOO_MANY or (status == _UNAVAILABLE and not creates)


def _reason(error: RequestException, timeout: float) -> tuple[str, bool]:
    """What happened, without the address (it holds the password), and whether the request may have reached the server."""
    if isinstance(error, ConnectTimeout):
        return f"does not answer: no connection within {timeout:g} seconds", False
    if isinstance(error, ResponseTooLargeError):
        return f"has not answered as it should: {error}", True
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    if isinstance(error, Timeout) or isinstance(reason, urllib3.exceptions.ReadTimeoutError):
        return f"has not answered within {timeout:g} seconds", True
    if isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.SSLError):
        inner = reason.__cause__ or reason.__context__
        return f"cannot be reached: {foreign(inner or type(reason).__name__)}", False
    return "closed the connection without an answer", True
