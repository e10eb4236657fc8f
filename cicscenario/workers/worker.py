"""The side of a worker: a Celery worker that does tasks of any run of its broker.

It takes one task at a time for each thread, and acknowledges it when its result is sent: what a killed worker had, another one
does. scrypt and bcrypt do not hold Python's lock, so threads use all cores. It keeps no file. It takes from the queues of those
services that its environment has.
"""

import logging
import os
import socket
import ssl
import threading
import uuid
import warnings
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from celery import Celery
from celery.loaders.app import AppLoader
from celery.platforms import SecurityWarning
from redis import Redis

from cicscenario.boundaries import Boundary
from cicscenario.errors import CicScenarioError
from cicscenario.printable import foreign
from cicscenario.retry import pause
from cicscenario.transport.redisaddress import RedisAddress
from cicscenario.transport.tls import authorities
from cicscenario.workers import names
from cicscenario.workers.answers import done
from cicscenario.workers.beats import EVERY, Activity, beat, forget
from cicscenario.workers.envelope import VERSION, Direction, Envelope, SealError, require_secret
from cicscenario.workers.hands import Hands, Services
from cicscenario.workers.kinds import KINDS, Kind
from cicscenario.workers.place import WorkerPlace
from cicscenario.workers.pool import result_message
from cicscenario.workers.turns import Turns

_KEPT = 3600  # seconds for which Redis keeps results of a run that does not take them
_REFUSED = 1.0  # seconds for which a worker that has refused a task takes no other one, so that others come first
_ANSWER = Boundary("workers.answer")


class Worker:
    """Does tasks with the services of its environment, of which it has ``sections``.

    ``say`` gets lines for whoever has started it; ``version`` is another one in tests.
    """

    def __init__(
        self,
        place: WorkerPlace,
        services: Services,
        say: Callable[[str], None],
        *,
        sections: Collection[str] = (),
        version: str = VERSION,
    ) -> None:
        self.sections = frozenset(sections)
        self._services = services
        self._stopping = threading.Event()  # is never set: what is under way is finished
        self._secret = require_secret(place.secret)
        self._say = say
        self._version = version
        self._told: set[str] = set()
        self.name = f"{socket.gethostname()}/{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.activity = Activity()
        self.broker = place.connect()
        self._beats = Envelope(self._secret, "", version)

    def work(self, task: str, lineage: str, sealed: str) -> None:
        """Does one task, and sends its result. Raises nothing for a task that cannot be done: it says so."""
        with self.activity.at(task):
            envelope = Envelope(self._secret, lineage, self._version)
            try:
                version, content = envelope.open(Direction.TASK, task, sealed)
                session = str(content["session"])
            except (SealError, KeyError):
                self._refuse("a task was refused: it was not sealed with `workers.secret` of this worker")
                return
            if version != self._version:
                why = f"it is of version {self._version}, and the run is of {foreign(version, 40)}"
                self._answer(envelope, session, task, {"refused": why})
                self._refuse(f"a task was refused: {why}")
                return
            kind = KINDS[content["kind"]]
            if kind.needs and kind.needs not in self.sections:
                why = f"its environment file has no section `{kind.needs}`"
                self._answer(envelope, session, task, {"refused": why})
                self._refuse(f"a task was refused: {why}")
                return
            if self.broker.read(lambda client: client.get(names.wanted(lineage))) != session.encode():
                return
            answer = done(kind, self._hands(kind, lineage, session), content["common"], content["items"])
            if answer is not None:
                self._answer(envelope, session, task, answer)
                self.activity.finished(content["kind"], len(answer["results"]))

    def _hands(self, kind: Kind, lineage: str, session: str) -> Hands:
        if not kind.needs:
            return Hands(self._services, self._stopping, 1)
        turns = Turns(self.broker, kind.needs)
        return Hands(self._services, self._stopping, 1, lambda: turns.turn(lineage, session))

    def _answer(self, envelope: Envelope, session: str, task: str, content: dict[str, Any]) -> None:
        text = result_message(task, envelope.seal(Direction.RESULT, task, content | {"worker": self.name}))

        def push(client: "Redis") -> None:
            with _ANSWER:
                client.rpush(names.results(session), text)
                client.expire(names.results(session), _KEPT)

        self.broker.read(push)

    def _refuse(self, why: str) -> None:
        if why not in self._told:
            self._told.add(why)
            self._say(why)
        pause(_REFUSED, None)

    def beat_until(self, ended: threading.Event) -> None:
        """Gives signs of life until the event is set, and says once that Redis is away, and that it is back."""
        away = False
        while True:
            try:
                beat(self.broker, self._beats, self.name, self.activity, self.sections)
                if away:
                    self._say(f"Redis {self.broker.address} is back")
                away = False
            except CicScenarioError as error:
                if not away:
                    self._say(error.message)
                away = True
            if ended.wait(EVERY):
                break
        with suppress(CicScenarioError):  # else it is forgotten in an hour
            forget(self.broker, self.name)


class _Loader(AppLoader):  # type: ignore[misc]
    """Takes no configuration from the shell's CELERY_CONFIG_MODULE."""

    def read_configuration(self, env: str = "") -> dict[str, Any]:
        return {}


def make_app(place: WorkerPlace, worker: Worker) -> Celery:
    """The Celery application of a worker: JSON only, acknowledged late, one task at a time for each thread."""
    app = Celery("cicscenario", broker=_celery_address(place), set_as_current=False, loader=_Loader, fixups=())
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_default_queue=names.QUEUE,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,  # its channel would be that of cic-eth's workers
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=names.TRANSPORT,
    )
    if RedisAddress.parse(place.broker).secure:
        app.conf.broker_use_ssl = {
            "ssl_cert_reqs": ssl.CERT_REQUIRED,
            "ssl_check_hostname": True,
            "ssl_ca_certs": str(authorities(place.ca)),
        }

    @app.task(name=names.TASK, bind=True)  # type: ignore[untyped-decorator]
    def work(self: Any, lineage: str, sealed: str) -> None:
        worker.work(self.request.id, lineage, sealed)

    return app


def _celery_address(place: WorkerPlace) -> str:
    """The address as Celery reads it, with user and password. Nothing shows it."""
    at = RedisAddress.parse(place.broker)
    user, password = place.user or at.user, at.password if place.password is None else place.password
    login = "" if password is None else f"{quote(user or '', safe='')}:{quote(password, safe='')}@"
    if at.path:
        return f"redis+socket://{login}{at.path}?virtual_host={at.database}"
    host = f"[{at.host}]" if ":" in at.host else at.host
    return f"{'rediss' if at.secure else 'redis'}://{login}{host}:{at.port}/{at.database}"


def work(
    place: WorkerPlace, services: Services, sections: Collection[str], threads: int, say: Callable[[str], None]
) -> None:
    """Takes tasks until the process is asked to stop; tasks under way are finished first.

    ``services`` are those of the worker's environment, whose file has ``sections``.
    """
    warnings.filterwarnings("ignore", category=SecurityWarning)  # as root: only JSON is taken
    logging.basicConfig(level=logging.ERROR, format="worker: %(message)s", force=True)
    known = {kind.needs for kind in KINDS.values() if kind.needs}
    has, lacks = sorted(known.intersection(sections)), sorted(known.difference(sections))
    worker = Worker(place, services, say, sections=has)
    worker.broker.ping()
    celery = make_app(place, worker).Worker(
        pool="threads", concurrency=threads, without_gossip=True, without_mingle=True, without_heartbeat=True,
        loglevel="ERROR", quiet=True, hostname=worker.name.replace("/", "@"), queues=[names.queue(None), *map(names.queue, has)],
    )  # fmt: skip
    ended = threading.Event()
    beats = threading.Thread(target=worker.beat_until, args=(ended,), name="beats", daemon=True)
    beats.start()
    say(f"worker {worker.name}, version {VERSION}: takes tasks from {worker.broker.address}, {threads} at a time")
    for section in lacks:
        say(f"it takes none that need `{section}`, which its environment file does not have")
    try:
        celery.start()
    finally:
        ended.set()
        beats.join(2 * EVERY)
