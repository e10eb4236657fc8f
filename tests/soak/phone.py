"""The phone interface (cic-ussd of 2022): it asks the engine for accounts, and its tasker writes the first entries."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from cicscenario.chainspec import ChainSpec
from cicscenario.people import pointer
from cicscenario.services.custodial import tasks
from tests.soak.database import ACTIVE, Account, Database
from tests.soak.drawn import uuid_text
from tests.soak.engine import QUEUE, SimEngine
from tests.soak.menus import SimMenus
from tests.soak.metadata import SimMeta
from tests.soak.redis import Message, SimRedis
from tests.soak.workers import Workers
from tests.soak.world import World

TASKER = "cic-ussd"
BINDING = "_kombu.binding.cic-ussd"
_MENU = "CON Welcome to Sarafu Network!\n1. English\n2. Kiswahili\n3. Kamba\n11. Next\n00. Exit"
_CREATED = "END Your account is being created. You will receive an SMS when your account is ready."
_PIN = "CON Please enter a new four number PIN for your account."
#: States of sessions that were opened before there was an account.
_OF_JOINING = ("account_creation_prompt", "initial_language_selection", "initial_pin_entry")
_EXIT = "END Thank you for using the service."
_BACK = "0"
_LANGUAGES = {"1": "en", "2": "sw"}
_KEPT = 180.0  # seconds for which Redis knows of a request after its report
_TASK = 0.05  # seconds that a task of the tasker takes


@dataclass
class PhoneReply:
    """What the product uses of ``requests.Response``."""

    content: bytes
    status_code: int = 200
    reason: str = "OK"

    @property
    def headers(self) -> dict[str, str]:
        return {}


class SimPhone:
    """The interface and its tasker, over the tables in its database."""

    def __init__(
        self,
        world: World,
        database: Database,
        redis: SimRedis,
        engine: SimEngine,
        meta: SimMeta,
        spec: str,
        random: Random,
    ) -> None:
        self._world, self._redis, self._meta, self._random = world, redis, meta, random
        self._database = database
        self._menus = SimMenus(database, engine, engine.chain, self._transfer)
        self._chain = ChainSpec.parse(spec).asdict()
        self.workers = Workers(world, redis, TASKER, _TASK, self._take, one_by_one=True)  #: of the tasker
        engine.reports["cic_ussd.report"] = self._report
        redis.values[BINDING] = b"declared"

    # --- calls ----------------------------------------------------------------------------------------------------

    def answer(self, body: str) -> PhoneReply:
        """The next screen."""
        form = dict(parse_qsl(body, keep_blank_values=True))
        phone, text = form["phoneNumber"], form["text"]
        if len(phone) < 11:
            return PhoneReply(b"", 400, "Invalid phone number format")
        sessions = self._database.sessions
        if account := self._database.accounts.get(phone):
            self._push("metadata.query", "", phone)  # what every dial of a known number asks for
            return self._known(account, phone, text, form["sessionId"])
        if text in _LANGUAGES:
            self._request(phone, _LANGUAGES[text])
            sessions[phone] = "account_creation_prompt"
            return PhoneReply(_CREATED.encode())
        sessions[phone] = "initial_language_selection"
        return PhoneReply(_MENU.encode())

    def _known(self, account: Account, phone: str, text: str, session: str) -> PhoneReply:
        """An account that is active and has a PIN is shown where its newest session stopped; any other is asked for a PIN."""
        sessions = self._database.sessions
        if text == _BACK:
            sessions[phone] = "exit"
            self._menus.left(phone, session)
            return PhoneReply(_EXIT.encode())
        if account.status != ACTIVE or account.password_hash is None:
            sessions[phone] = "initial_pin_entry"
            return PhoneReply(_PIN.encode())
        if phone not in sessions:
            return PhoneReply(b"", 500, "Internal Server Error")
        if sessions[phone] in _OF_JOINING:
            return PhoneReply(_PIN.encode())
        said = self._menus.typed(phone, session, text) if text else self._menus.dialled(phone, session)
        return PhoneReply(said.encode())

    def _transfer(self, payer: bytes, payee: bytes, units: int) -> None:
        """Asks the engine for a transfer, as ``cic_eth.api.Api.transfer`` does, under an id that nobody is told."""
        root, accounts = self._id(), (payer.hex(), payee.hex())
        transfer = {"task": tasks.TRANSFER, "args": [*accounts, units, self._chain], "options": {}}
        resolve = {"task": tasks.RESOLVE_TOKENS, "args": [self._chain], "options": {"link": [transfer]}}
        reserve = {
            "task": tasks.RESERVE_NONCE,
            "args": [self._chain, payer.hex()],
            "options": {"link": [resolve]},
        }
        arguments = [["GFT"], self._chain, tasks.QUEUE_LOCK, payer.hex()]
        self._redis.push(QUEUE, _message(root, tasks.CHECK_LOCK, root, arguments, [reserve]))

    def _request(self, phone: str, language: str) -> None:
        """Asks the engine for an account, as ``cic_eth.api.Api.create_account`` does, with the tasker to be told."""
        root = self._id()
        self._world.tell(f"request {phone}")
        state = {"task_uuid": root, "phone_number": phone, "status": "PENDING"}
        self._redis.values[root] = json.dumps(state).encode()
        report = {"task": "cic_ussd.report", "args": [phone, language, root], "options": {}}
        register = {"task": tasks.REGISTER, "args": [self._chain], "options": {}}
        nonce = {
            "task": tasks.RESERVE_NONCE,
            "args": [self._chain, tasks.WRITER_ROLE],
            "options": {"link": [register]},
        }
        create = {"task": tasks.CREATE, "args": [self._chain], "options": {"link": [report, nonce]}}
        arguments = ["", self._chain, tasks.CREATE_LOCK]
        self._redis.push(QUEUE, _message(root, tasks.CHECK_LOCK, root, arguments, [create]))

    def _id(self) -> str:
        return uuid_text(self._random)

    # --- the tasker -----------------------------------------------------------------------------------------------

    def _report(self, address: str, phone: str, language: str, root: str) -> None:
        """A task of the engine: it gives the tasker a task."""
        self._push("callback_handler.account_creation_callback", root, address, phone, language)

    def _push(self, name: str, root: str, *arguments: Any) -> None:
        message = _message(self._id(), f"cic_ussd.tasks.{name}", root, list(arguments), [])
        self._redis.push(TASKER, message)
        self.workers.wake()

    def _take(self, message: Message) -> None:
        headers = message.headers
        self.workers.running.add(headers["id"])
        name = headers["task"].rpartition(".")[2]
        self.workers.later(_TASK, lambda: self._end(headers["id"], name, headers["root_id"], message.arguments))

    def _end(self, task: str, name: str, root: str, arguments: list[Any]) -> None:
        self.workers.running.discard(task)
        self.workers.done()
        if self.workers.is_lost(task, name):
            return
        if name == "account_creation_callback":
            self._made(root, *arguments)
        elif name in ("pointer", "preferences", "custom"):
            at, value = arguments[1], arguments[2]
            self._meta.merge(bytes.fromhex(at), value)

    def _made(self, root: str, address: str, phone: str, language: str) -> None:
        account = bytes.fromhex(address)
        if (state := self._redis.value(root)) is not None:
            self._redis.values[root] = json.dumps(json.loads(state) | {"status": "CREATED"}).encode()
            self.workers.later(_KEPT, lambda: self._redis.forget(root))
        if phone in self._database.accounts:
            return  # the column of phone numbers is unique
        self._database.accounts[phone] = Account(account, language, self._world.now)
        self._push("metadata.pointer", root, address, pointer.phone(phone).hex(), address)
        language_at = pointer.preferences(account).hex()
        self._push("metadata.preferences", root, address, language_at, {"preferred_language": language})
        tags = {"tags": ["ussd", "individual"]}
        self._push("metadata.custom", root, address, pointer.custom(account).hex(), tags)


def _message(task: str, name: str, root: str, arguments: list[Any], links: list[Any]) -> Message:
    return Message({"id": task, "task": name, "root_id": root or task}, arguments, links)
