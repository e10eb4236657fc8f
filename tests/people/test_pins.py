"""PINs are everybody's own, and their hashes are those that cic-ussd verifies: vectors seen on real servers."""

import os
import threading
import time
from collections import Counter

import bcrypt
import pytest
from cryptography.fernet import Fernet

from cicscenario.errors import InterruptedRunError, InvalidError
from cicscenario.people.pins import PinHasher, Pins, scheme_of, verify

#: The pepper of the compose file of 2021, in base64 of the standard alphabet, and a hash that a real server took.
PEPPER = "QYbzKff6NhiQzY3ygl2BkiKOpER8RE/Upqs/5aZWW+I="
SEALED = (
    "gAAAAABgf_rAAAECAwQFBgcICQoLDA0OD7K5gH7lDKjQJca2XaoA7Mt6FMjD7Tk-n7auRA_eNA6KIp9bRhJscTnpfP4PmEI4_nu8ixwEWgvLl5GEMvk7"
    "sRl6FZMrlTyt2FzRJz_UDXSuxl_-P9BfJ64PuRC8HLNNtw=="
)
BARE = {
    "1234": "$2b$08$abcdefghijklmnopqrstuuxK63Ig36twWcwokXH3TrjY0dIY5tfmG",
    "0000": "$2b$08$abcdefghijklmnopqrstuu8aOvr6kQEzflRlFbOPlr5f2DzZgrjjy",
    "4321": "$2b$08$abcdefghijklmnopqrstuuJmjYpg3bHlvS7uh8VxAjAAVAa3i5j0O",
    "9999": "$2b$08$abcdefghijklmnopqrstuuo9WCy.dAYbhdhVcC1dawF.Cfzbcuuhm",
}
STRONG = "$2b$12$abcdefghijklmnopqrstuu5zG8h6EFRoGVqJtLQMFHdhevIe8fye6"


@pytest.mark.parametrize("pin", BARE)
def test_hashes_of_today_verify(pin: str) -> None:
    assert [other for other in BARE if verify(BARE[pin], other)] == [pin]


@pytest.mark.parametrize("kind", ["2a", "2b", "2y"])
def test_every_kind_and_cost_of_bcrypt_verifies(kind: str) -> None:
    assert verify(BARE["1234"].replace("2b", kind), "1234")
    assert verify(STRONG, "1234")
    assert not verify(STRONG, "1235")


@pytest.mark.parametrize("pepper", [PEPPER, f"'{PEPPER}'", f'"{PEPPER}"', PEPPER.replace("+", "-").replace("/", "_")])
def test_hashes_of_2021_verify_with_their_pepper(pepper: str) -> None:
    assert verify(SEALED, "1234", pepper)
    assert not verify(SEALED, "9999", pepper)


def test_what_can_never_verify_does_not() -> None:
    assert not verify(SEALED, "1234", Fernet.generate_key().decode())
    assert not verify(SEALED[:-8] + "AAAAAA==", "1234", PEPPER)
    for spoilt in ("", "0123456789abcdef0123456789abcdef", " " + BARE["1234"], BARE["1234"] + "\n", BARE["1234"][:-1]):
        assert scheme_of(spoilt) is None
        assert not verify(spoilt, "1234", PEPPER)
    unsealed = Fernet(PEPPER).encrypt(b"1234").decode()
    assert not verify(unsealed, "1234", PEPPER)


def test_a_sealed_hash_without_pepper_is_an_error() -> None:
    with pytest.raises(InvalidError, match="need a pepper"):
        verify(SEALED, "1234")
    with pytest.raises(InvalidError, match="need a pepper"):
        PinHasher("fernet")


@pytest.mark.parametrize("pepper", ["x", "QYbzKff6NhiQzY3ygl2Bki==", "geheim geheim"])
def test_a_pepper_that_is_none_is_refused_and_not_shown(pepper: str) -> None:
    with pytest.raises(InvalidError, match="the pepper is not a Fernet key") as caught:
        PinHasher("fernet", pepper=pepper)
    assert pepper not in caught.value.message.replace("pepper", "")


def test_hashes_have_the_form_of_todays_server() -> None:
    made = PinHasher("bcrypt").hash("0042")
    assert made.startswith("$2b$08$")
    assert len(made) == 60
    assert scheme_of(made) == "bcrypt"
    assert bcrypt.checkpw(b"0042", made.encode())
    assert verify(made, "0042")
    assert not verify(made, "42")


def test_hashes_have_the_form_of_2021s_server() -> None:
    made = PinHasher("fernet", pepper=PEPPER).hash("0042")
    assert made.startswith("gAAAAA")
    assert len(made) == len(SEALED) == 164
    assert scheme_of(made) == "fernet"
    inner = Fernet(PEPPER).decrypt(made.encode())
    assert inner.startswith(b"$2b$12$")
    assert bcrypt.checkpw(b"0042", inner)
    assert verify(made, "0042", PEPPER)
    assert not verify(made, "0043", PEPPER)


def test_the_cost_can_be_chosen() -> None:
    assert PinHasher("bcrypt", cost=4).hash("1234").startswith("$2b$04$")
    inner = Fernet(PEPPER).decrypt(PinHasher("fernet", cost=5, pepper=PEPPER).hash("1234").encode())
    assert inner.startswith(b"$2b$05$")


@pytest.mark.parametrize("cost", [-1, 0, 3, 32])
def test_a_cost_that_bcrypt_does_not_have_is_refused(cost: int) -> None:
    with pytest.raises(InvalidError, match=f"bcrypt has no cost {cost}"):
        PinHasher("bcrypt", cost=cost)


def test_many_are_hashed_in_order_each_with_a_salt_of_its_own() -> None:
    pins = [f"{n % 7:04}" for n in range(40)]
    hashes = PinHasher("bcrypt", cost=4).hash_many(pins)
    assert all(map(verify, hashes, pins))
    assert len(set(hashes)) == 40


@pytest.mark.parametrize("pepper", [None, PEPPER])
def test_people_of_one_pin_may_share_its_hash(pepper: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    salts: list[int] = []
    gensalt = bcrypt.gensalt
    monkeypatch.setattr(bcrypt, "gensalt", lambda cost: salts.append(cost) or gensalt(cost))
    hasher = PinHasher("fernet" if pepper else "bcrypt", cost=4, pepper=pepper, shared=True)
    pins = [f"{n % 7:04}" for n in range(1000)]
    hashes = hasher.hash_many(pins)
    assert all(verify(made, pin, pepper) for made, pin in zip(hashes[:20], pins, strict=False))
    assert len(salts) == 7
    assert hasher.hash_many(pins[:7]) == hashes[:7] or pepper
    assert len(salts) == 7


def test_every_core_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = threading.Barrier(3, timeout=5)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.setattr(bcrypt, "hashpw", lambda pin, salt: b"%d" % (meeting.wait() < 3))
    assert PinHasher("bcrypt").hash_many(["1234"] * 6) == ["1"] * 6


def test_hashing_does_not_hold_the_interpreter() -> None:
    """Other threads go on meanwhile: asserted, for the library could stop to release the lock."""
    hashing = threading.Thread(target=PinHasher("bcrypt", cost=12).hash, args=("1234",))
    hashing.start()
    rounds = 0
    while hashing.is_alive():
        time.sleep(0.001)
        rounds += 1
    assert rounds > 20


def test_pins_are_of_seed_and_index_alone() -> None:
    pins = Pins(20220129)
    assert [pins.pin(index) for index in range(5)] == [Pins(20220129).pin(index) for index in range(5)]
    assert [pins.pin(index) for index in range(5)] != [Pins(1).pin(index) for index in range(5)]
    assert [pins.pin(index) for index in range(4)] == ["7213", "0961", "4926", "0263"]


def test_pins_are_four_digits_spread_over_all() -> None:
    made = [Pins(5).pin(index) for index in range(20_000)]
    assert {len(pin) for pin in made} == {4}
    assert all(pin.isascii() and pin.isdigit() for pin in made)
    assert max(Counter(made).values()) < 15
    assert len({pin[0] for pin in made}) == 10


def test_pins_of_a_list_are_given_out_in_turn() -> None:
    pins = Pins(1, ["1234", "0000", "9876"])
    assert [pins.pin(index) for index in range(7)] == ["1234", "0000", "9876", "1234", "0000", "9876", "1234"]


@pytest.mark.parametrize("bad", ["", "123", "12345", "12a4", "\uff11\uff12\uff13\uff14", " 123", "1234\n"])
def test_what_is_not_four_digits_is_refused_and_not_shown(bad: str) -> None:
    with pytest.raises(InvalidError, match="PIN number 2 of the list is not four digits"):
        Pins(1, ["1234", bad])


def test_hashing_ends_with_the_run() -> None:
    """A hundred hashes of cost 12 take many seconds; each one a quarter."""
    stopping = threading.Event()
    threading.Timer(0.3, stopping.set).start()
    began = time.monotonic()
    with pytest.raises(InterruptedRunError):
        PinHasher("bcrypt", cost=12).hash_many((f"{n:04}" for n in range(400)), stopping)
    assert time.monotonic() - began < 10
