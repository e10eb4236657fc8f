"""Checks at workers find what they find in the run's own process; nobody lacks anything on the word of a worker alone."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.capabilities.labour import labour
from cicscenario.chainspec import ChainSpec
from cicscenario.checks import pins
from cicscenario.checks.metadata import check
from cicscenario.errors import InterruptedRunError, UnavailableError
from cicscenario.language.model import PinOptions
from cicscenario.metadata import preferences
from cicscenario.people.person import Person
from cicscenario.people.pins import PinHasher, Pins
from cicscenario.services.metaerrors import NoReplyError
from cicscenario.workers import worker as worker_module
from cicscenario.workers.kinds import KINDS, LOOKS, PINS
from cicscenario.workers.pool import WorkerPool
from tests.support.states import person
from tests.support.valkey import Valkey
from tests.support.worker_hands import Hand
from tests.support.worker_meta import ClientsMeta, writer
from tests.support.worker_processes import LINEAGE, pool_at

pytestmark = pytest.mark.usefixtures("quick")
PEOPLE = [replace(person(number), address=bytes([number + 1]) * 20) for number in range(6)]
SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")
ENTRIES = [preferences.KIND.of(one, SPEC) for one in PEOPLE]


def context(meta: ClientsMeta, pool: WorkerPool | None = None, **more: Any) -> Any:
    services = SimpleNamespace(
        meta=meta.client(), spec=SPEC, environment=SimpleNamespace(meta=SimpleNamespace(write="one-step"))
    )
    known = {"workers": pool, "services": services, "stopping": threading.Event(), "lineage": LINEAGE}
    return SimpleNamespace(**known | {"tell": lambda text: None} | more)


def metadata_problems(run: Any) -> dict[int, str]:
    return check(preferences.KIND).verifier(run)(PEOPLE)


def in_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """Begins the work; the function that is returned gives its result, or raises what it raised."""
    found: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def end() -> Any:
        thread.join(20)
        for error in errors:
            raise error
        return found[0]

    return end


def arrived(meta: ClientsMeta, *missing: int) -> None:
    """All have their entry, but those who are missing."""
    for number, entry in enumerate(ENTRIES):
        if number not in missing:
            meta.values[entry.pointer.hex()] = ("", entry.value)


def test_what_is_there_is_read_by_a_worker(valkey: Valkey, meta: ClientsMeta) -> None:
    arrived(meta)
    with pool_at(valkey) as pool:
        run = context(meta, pool)
        end, hand = in_thread(lambda: metadata_problems(run)), writer(valkey, meta)
        hand.do("meta")
        assert end() == {}
    assert run.services.meta.requests == {"GET": 1}, "the run reads one, to see that the worker asks the same server"
    assert hand.worker.activity.document()["done"] == {LOOKS: 6}


def test_wrong_absent_and_unreadable_are_three_things_as_in_process(valkey: Valkey, meta: ClientsMeta) -> None:
    arrived(meta, 2)
    meta.values[ENTRIES[1].pointer.hex()] = ("", {"preferred_language": "other"})
    meta.values[ENTRIES[4].pointer.hex()] = ("", None)  # what it answers with is no entry
    here = metadata_problems(context(meta))
    assert list(here) == [1, 2, 4]
    with pool_at(valkey) as pool:
        run = context(meta, pool)
        end = in_thread(lambda: metadata_problems(run))
        writer(valkey, meta).do("meta")
        assert dict(sorted(end().items())) == here
    assert run.services.meta.requests["GET"] >= 3, "the run has read by itself what seemed to be missing"


def test_a_store_that_is_away_at_the_worker_is_nobodys_problem(valkey: Valkey, meta: ClientsMeta) -> None:
    arrived(meta)
    with pool_at(valkey) as pool:
        end = in_thread(lambda: metadata_problems(context(meta, pool)))
        meta.fault = lambda method, number: "drop"
        writer(valkey, meta).do("meta")
        with pytest.raises(NoReplyError, match="does not answer"):
            end()


@pytest.mark.parametrize("there", [True, False])
def test_a_worker_that_asks_another_store_makes_nobody_pass_or_fail(
    valkey: Valkey, meta: ClientsMeta, there: bool
) -> None:
    """With the right entries it is found out when the run has others; without any, the run looks by itself."""
    with ClientsMeta() as elsewhere, pool_at(valkey) as pool:
        arrived(elsewhere if there else meta)
        end = in_thread(lambda: metadata_problems(context(meta, pool)))
        writer(valkey, elsewhere).do("meta")
        if there:
            with pytest.raises(UnavailableError, match="has another value at the metadata server"):
                end()
        else:
            assert end() == {}


def test_a_run_that_stops_waits_for_no_check_at_a_worker(valkey: Valkey, meta: ClientsMeta) -> None:
    stopping = threading.Event()
    with pool_at(valkey, stopping=stopping) as pool:
        end = in_thread(lambda: metadata_problems(context(meta, pool, stopping=stopping)))
        Hand(valkey).fetch("meta")
        stopping.set()
        with pytest.raises(InterruptedRunError):
            end()


# PINs

SEED = 5
COMMON = {"scheme": "bcrypt", "cost": 4, "pepper": None}


def table(wrong: Sequence[int]) -> Any:
    own = Pins(SEED)
    texts = ["x" if one.id in wrong else own.pin(one.id) for one in PEOPLE]
    hashed = dict(zip((one.phone for one in PEOPLE), PinHasher("bcrypt", cost=4).hash_many(texts), strict=True))
    read = lambda phones: {phone: SimpleNamespace(password_hash=hashed[phone]) for phone in phones}  # noqa: E731
    return SimpleNamespace(accounts=SimpleNamespace(read=read), pepper=None)


def pin_problems(meta: ClientsMeta, pool: WorkerPool | None, wrong: Sequence[int]) -> dict[int, str]:
    scenario = SimpleNamespace(
        pins=PinOptions("bcrypt", cost=4, fixed=None), population=SimpleNamespace(seed=SEED, source=None)
    )
    run = context(meta, pool, scenario=scenario, population=None, hashes=None, services=table(wrong))
    return pins.CHECK.closely().verifier(run)(PEOPLE)


def test_hashes_of_pins_are_verified_by_a_worker(valkey: Valkey, meta: ClientsMeta) -> None:
    wrong = [1, 4]
    here = pin_problems(meta, None, wrong)
    assert here == dict.fromkeys(wrong, "the PIN's hash does not match the PIN")
    with pool_at(valkey) as pool:
        end, hand = in_thread(lambda: pin_problems(meta, pool, wrong)), Hand(valkey)
        task, arguments = hand.fetch()
        assert not any(one.phone in str(arguments) for one in PEOPLE)
        hand.worker.work(task, *arguments)
        assert end() == here
    assert hand.worker.activity.document()["done"] == {PINS: 6}


def test_a_pin_is_wrong_only_when_the_run_says_so(
    valkey: Valkey, meta: ClientsMeta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker says of a right one that it is not."""
    hashed = PinHasher("bcrypt", cost=4).hash("0042")
    with pool_at(valkey) as pool:
        run = context(meta, pool)
        end = in_thread(lambda: dict(labour(run, None, PINS, COMMON, [[hashed, "0042"]])))
        hand = Hand(valkey)
        task, arguments = hand.fetch()
        lies = replace(KINDS[PINS], work=lambda hands, common, items: iter([(0, False)]))
        monkeypatch.setattr(worker_module, "KINDS", {PINS: lies})
        hand.worker.work(task, *arguments)
        assert end() == {0: True}
    assert not any(lies.proper(COMMON, odd) for odd in (1, "yes", None))


def test_that_no_worker_is_there_is_told(valkey: Valkey, meta: ClientsMeta) -> None:
    told: list[str] = []
    with pool_at(valkey, patience=1) as pool:
        end = in_thread(lambda: metadata_problems(context(meta, pool, tell=told.append)))
        with pytest.raises(UnavailableError, match="no worker is there"):
            end()
    assert "no worker is there: what workers do waits for one" in told


def test_everybody_has_an_entry_of_their_own() -> None:
    """Else the tests above would show nothing."""
    assert len({entry.pointer for entry in ENTRIES}) == len(PEOPLE)
    assert all(isinstance(one, Person) for one in PEOPLE)
