"""The lean client answers as redis-py does, also when the server was away."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from cicscenario.sandbox.leanredis import LeanRedis, round_trip
from tests.support.valkey import Valkey


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path) as running:
        yield running


@pytest.fixture
def client(valkey: Valkey) -> Iterator[LeanRedis]:
    with LeanRedis.from_url(valkey.url, decode_responses=True) as made:
        yield made


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.set("text", "å\n"),
        lambda client: client.set("text", "å\n") and client.get("text"),
        lambda client: client.get("nothing"),
        lambda client: client.mset({"a": 1, "b": 2}) and client.mget(["a", "nothing", "b"]),
        lambda client: client.set("brief", "x", ex=60) and client.ttl("brief"),
        lambda client: client.lpush("list", "x", "y") and client.lrange("list", 0, -1),
        lambda client: client.hset("hash", mapping={"k": "v"}) and client.hgetall("hash"),
        lambda client: client.exists("a", "nothing"),
        lambda client: client.pipeline().set("piped", 1).get("piped").execute(),
    ],
)
def test_it_gives_the_answers_of_redis_py(valkey: Valkey, client: LeanRedis, ask: Any) -> None:
    with Redis.from_url(valkey.url, decode_responses=True) as witness:
        expected = ask(witness)
        witness.flushall()
        assert ask(client) == expected


def test_a_command_that_the_server_refuses_raises_and_the_next_one_is_answered(client: LeanRedis) -> None:
    client.set("text", "a")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        client.lrange("text", 0, -1)
    assert client.get("text") == "a"


def test_a_server_that_was_started_again_is_asked_again(valkey: Valkey, client: LeanRedis) -> None:
    client.set("text", "kept")
    valkey.stop()
    with pytest.raises(RedisError):
        client.get("text")
    valkey.start()
    assert client.get("text") == "kept"


def test_a_refused_command_among_others_leaves_no_answer_for_the_next(valkey: Valkey, client: LeanRedis) -> None:
    client.set("text", "a")
    with pytest.raises(ResponseError):
        round_trip(client, [("GET", "text"), ("LRANGE", "text", 0, -1), ("GET", "text")])
    assert round_trip(client, [("SET", "other", "b"), ("GET", "other")]) == [b"OK", b"b"]
