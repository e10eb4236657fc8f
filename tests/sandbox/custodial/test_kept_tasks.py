"""Tasks that a task sends to its own queue are run by the same process; what a process leaves when it is killed is as ever."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from redis.exceptions import RedisError

from cicscenario.sandbox.custodial import names, taskprocess
from cicscenario.sandbox.custodial.chords import backend_url
from cicscenario.sandbox.custodial.message import read
from cicscenario.sandbox.custodial.notes import Notes, left_in
from cicscenario.sandbox.custodial.outbox import Kept, PostingApp
from cicscenario.sandbox.custodial.settings import read_settings
from cicscenario.sandbox.custodial.taskprocess import TaskProcess
from cicscenario.sandbox.custodial.taskworker import TaskWorker
from cicscenario.sandbox.custodial.worker import kept_queue
from tests.support.valkey import Valkey

QUEUE = "cic-eth"


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
def app(valkey: Valkey) -> Iterator[PostingApp]:
    valkey.client.flushall()
    made = PostingApp("cic-eth", valkey.url, broker=valkey.url, backend=backend_url(valkey.url), set_as_current=False)
    made.outbox.declared.update({QUEUE, "cic-ussd"})
    _add_tasks(made)
    yield made
    made.close()


def _add_tasks(app: PostingApp) -> None:
    def send(name: str, queue: str = QUEUE) -> None:
        app.signature(name, args=[name], queue=queue).apply_async(task_id=name)

    @app.task(name="parent", shared=False)  # type: ignore[untyped-decorator]
    def parent(_: Any) -> None:
        for name in ("child", "last"):
            send(name)
        send("report", "cic-ussd")
        send(names.SHUTDOWN)

    @app.task(name="child", shared=False)  # type: ignore[untyped-decorator]
    def child(_: Any) -> None:
        send("grandchild")

    @app.task(name="deadly parent", shared=False)  # type: ignore[untyped-decorator]
    def deadly_parent(_: Any) -> None:
        for name in ("deadly", "last"):
            send(name)

    @app.task(name="deadly", shared=False)  # type: ignore[untyped-decorator]
    def deadly(_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def told(value: Any) -> Any:
        return value

    for name in ("grandchild", "last"):
        app.task(told, name=name, shared=False)


def _run(app: PostingApp, valkey: Valkey, name: str, folder: Path) -> TaskProcess:
    """Has a process run a task; gives it when it has said so, or has died."""
    app.signature(name, args=[name], queue=QUEUE).apply_async(task_id=name)
    raw: Any = valkey.client.rpop(QUEUE)
    process = taskprocess.start(app, "celery@test", [], folder)
    process.hand(read(QUEUE.encode(), raw.encode()))
    while process.is_alive() and process.message is not None:
        pass
    return process


def _waiting(valkey: Valkey, queue: str = QUEUE) -> list[str]:
    return [json.loads(text)["headers"]["task"] for text in reversed(valkey.client.lrange(queue, 0, -1))]  # type: ignore[union-attr]


def _status(valkey: Valkey, name: str) -> str | None:
    text: Any = valkey.client.get(f"celery-task-meta-{name}")
    return None if text is None else str(json.loads(text)["status"])


def test_tasks_for_the_own_queue_run_in_the_same_process(app: PostingApp, valkey: Valkey, tmp_path: Path) -> None:
    app.own_queue = QUEUE
    process = _run(app, valkey, "parent", tmp_path)
    process.let_end()
    assert process.wait() == 0
    assert list(process.also_run) == ["child", "last", "grandchild"]
    ran = ("parent", *process.also_run)
    assert {name: _status(valkey, name) for name in ran} == dict.fromkeys(ran, "SUCCESS")
    assert _waiting(valkey) == [names.SHUTDOWN], "it waits behind all others in the queue"
    assert _waiting(valkey, "cic-ussd") == ["report"]


def test_without_an_own_queue_all_go_to_redis(app: PostingApp, valkey: Valkey, tmp_path: Path) -> None:
    process = _run(app, valkey, "parent", tmp_path)
    process.let_end()
    process.wait()
    assert _waiting(valkey) == ["child", "last", names.SHUTDOWN]


def test_of_a_killed_process_the_task_that_ran_fails_and_those_that_waited_are_in_the_queue(
    app: PostingApp, valkey: Valkey, tmp_path: Path
) -> None:
    app.own_queue = QUEUE
    process = _run(app, valkey, "deadly parent", tmp_path)
    code = process.wait()
    assert code == -signal.SIGKILL
    worker: Any = object.__new__(TaskWorker)
    worker._app, worker._queue, worker._hostname, worker._left = app, QUEUE, "celery@test", []
    worker._remote = SimpleNamespace(counts=Counter())
    worker._end_tasks(process, code)
    worker._send_left()
    ends = {name: _status(valkey, name) for name in ("deadly parent", "deadly", "last")}
    assert ends == {"deadly parent": "SUCCESS", "deadly": "FAILURE", "last": None}
    assert _waiting(valkey) == ["last"]


def test_what_waited_in_the_processes_of_a_killed_worker_is_sent_by_the_next_one(
    app: PostingApp, valkey: Valkey, tmp_path: Path
) -> None:
    app.own_queue = QUEUE
    process = _run(app, valkey, "deadly parent", tmp_path)
    process.wait()
    worker: Any = object.__new__(TaskWorker)
    worker._app, worker._queue, worker._left = app, QUEUE, list(left_in(tmp_path))
    valkey.stop()
    with pytest.raises(RedisError):
        worker._send_left()
    valkey.start()
    worker._send_left()
    assert _waiting(valkey) == ["last"]
    assert list(left_in(tmp_path)) == []


def test_a_note_is_read_as_it_was_written_and_one_that_is_too_large_is_none(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    assert notes.read() == []
    kept = [Kept({"id": "a"}, {"priority": 0}, "[]"), Kept({"id": "b"}, {}, "[1]")]
    notes.write(kept)
    assert notes.read() == kept
    notes.write([Kept({}, {}, "x" * 2_000_000)])
    assert notes.read() == []
    notes.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_twin_at_the_real_pace_or_with_a_fault_keeps_none(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("11" * 32)
    given = ["--broker", "redis://127.0.0.1:1/0", "--queue", QUEUE, "--database", "postgresql://a@127.0.0.1:1",
             "--password-file", str(secret), "--rpc", "http://127.0.0.1:1", "--chain-spec", "evm:byzantium:8996:bloxberg",
             "--registry", f"0x{'1' * 40}", "--owner-key", str(secret), "--data", str(tmp_path)]  # fmt: skip
    own = [kept_queue(read_settings([*given, *more])) for more in ([], ["--pace", "real"], ["--fault", "pause=1"])]
    assert own == [QUEUE, None, None]
