"""The check pins verifies one PIN in 20 against its hash, and all of them when it is asked to look closely."""

import threading
from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from cicscenario.checks import gas, pins
from cicscenario.invocation import going_on
from cicscenario.language.model import PinOptions
from cicscenario.people.pins import PinHasher, Pins
from tests.support.states import person

WHO = [replace(person(number), address=bytes([number]) * 20) for number in range(3)]
SEED = 5


def context(wrong: int) -> Any:
    """An account table with everybody's hash; that of person ``wrong`` has the right form, and is of another PIN."""
    own = Pins(SEED, ())
    right = PinHasher("bcrypt", cost=4, pepper=None)
    texts = ["x" if one.id == wrong else own.pin(one.id) for one in WHO]
    hashed = dict(zip((one.phone for one in WHO), right.hash_many(texts, threading.Event()), strict=True))

    def read(phones: Iterable[str]) -> Any:
        return {phone: SimpleNamespace(password_hash=hashed[phone]) for phone in phones}

    wanted = PinOptions("bcrypt", cost=None, fixed=None)
    return SimpleNamespace(
        scenario=SimpleNamespace(pins=wanted, population=SimpleNamespace(seed=SEED, source=None)),
        population=None,
        hashes=None,
        services=SimpleNamespace(accounts=SimpleNamespace(read=read), pepper=None),
        stopping=threading.Event(),
        workers=None,
    )


def test_a_wrong_hash_outside_the_sample_is_found_by_a_close_look_only() -> None:
    run = context(wrong=1)
    assert pins.CHECK.verifier(run)(WHO) == {}
    assert str(pins.CHECK.allowed(run)).endswith(f"to verify all: {going_on('verify', '--thorough')}")
    close = pins.CHECK.closely()
    assert close.verifier(run)(WHO) == {1: "the PIN's hash does not match the PIN"}
    assert close.allowed(run) is None
    assert pins.CHECK.verifier(context(wrong=0))(WHO) == {0: "the PIN's hash does not match the PIN"}


def test_a_check_that_looks_at_all_closely_is_the_same() -> None:
    assert gas.CHECK.closely() is gas.CHECK
