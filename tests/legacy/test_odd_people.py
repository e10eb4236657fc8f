"""One odd person among good ones: the good ones go on as they are, and the odd one is read, or named and left out."""

import base64
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError
from cicscenario.metadata import BUILT_IN
from cicscenario.people.generator import Generator
from cicscenario.people.person import Person
from cicscenario.plan.sources import open_population
from cicscenario.services.jsonvalues import refuse_unfit
from cicscenario.state.rows import Outcome
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario

GENERATOR = Generator(
    seed=9, locales=["en_US"], region="KE", languages=[("en", 1)], tags=["individual"], gift_threshold=50
)
GOOD = [GENERATOR.person(index) for index in range(3)]
ODD = GENERATOR.person(3)
SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")
SCENARIO = (
    "version: 1\nname: a\npopulation: {{from: {folder}, on_bad_row: {rule}}}\nbackend: {{kind: {backend}}}\n"
    "metadata: [person, phone, preferences, custom]\n"
)

Parts = dict[str, bytes]


def written(folder: Path, parts: list[tuple[bytes, Parts]]) -> None:
    """A data directory of people, each given by key and the bytes of file, balance, tags and language."""
    for key, part in parts:
        name = key.hex().upper()
        path = folder / "src" / name[:2] / name[2:4] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(part["file"])
    for file, field in (("balances.csv", "balance"), ("tags.csv", "tags"), ("ussd_data.csv", "ussd")):
        (folder / file).write_bytes(b"".join(part[field] for _, part in parts))
    (folder / "src" / ".master").write_bytes(b"".join(key for key, _ in parts))


def sound(person: Person) -> Parts:
    key = person.old_address.hex().encode()
    return {
        "file": person.document_json.encode(),
        "balance": key + b",%d\n" % (person.gift * 1_000_000),
        "tags": key + b"," + ",".join(person.tags).encode() + b"\n",
        "ussd": f"{person.phone}, 1, {person.language}, False\n".encode(),
    }


def vcard(name: str, phone: str) -> str:
    text = f"BEGIN:VCARD\r\nN:{name}\r\nTEL:{phone}\r\nEND:VCARD\r\n"
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["", "__proto__", "year", "evm", "a\0"]), inner)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from([*ODD.document, "more", "", "__proto__"])
PHONES = st.sampled_from(["0711000001", "+2348031234567", "call me", "", "+254 (0)711 000 009", "\0", "\u202e"])
NAMES = st.sampled_from(
    ["", "a" * 100_000 + "\\", ";" * 50_000, "\ud800", "\0", "Preiß;Erica", "{{ 7 * 7 }}", "a:b\nTEL:1"]
)
DOCUMENTS = (
    st.dictionaries(FIELDS, JSON, max_size=3).map(lambda change: json.dumps(ODD.document | change).encode())
    | st.builds(lambda name, phone: json.dumps(ODD.document | {"vcard": vcard(name, phone)}).encode(), NAMES, PHONES)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.integers(0, 400).map(lambda end: ODD.document_json.encode()[:end])
    | st.binary(max_size=20)
)
KEY = ODD.old_address.hex().encode()
REST = st.binary(max_size=12) | st.sampled_from(
    [
        b"-1",
        b"1e9",
        b"NaN",
        b"9" * 50,
        b"5000001",
        b"None",
        b'"',
        b"\xff",
        b"\0",
        "٣".encode(),
        b"individual\0",
        b"a,b\n" + KEY + b",c",
    ]
)
LINES = REST.map(lambda rest: KEY + b"," + rest + b"\n")
USSD = st.sampled_from(["fr", "None", "\0", "e n", "", "x" * 5000, "\ud800", "en\n"]).map(
    lambda language: f"{ODD.phone}, 1, {language}, False\n".encode("utf-8", "surrogatepass")
)
REST_LINES = REST.map(lambda rest: rest + b"\n")
ODDITIES = st.fixed_dictionaries(
    {},
    optional={"file": DOCUMENTS, "balance": LINES | REST_LINES, "tags": LINES | REST_LINES, "ussd": USSD | REST_LINES},
)


@settings(deadline=None)  # a loaded machine
@given(oddities=ODDITIES, backend=st.sampled_from(["eth", "cic_ussd"]), at=st.integers(0, 3))
def test_the_good_people_go_on(oddities: dict[str, Any], backend: str, at: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        parts = [(person.old_address, sound(person)) for person in GOOD]
        parts.insert(at, (ODD.old_address, sound(ODD) | oddities))
        written(folder, parts)
        path = folder / "a.yaml"
        path.write_text(SCENARIO.format(folder=".", rule="skip", backend=backend))
        people = open_population(load_scenario(path))
        found = [people.population.person(index) for index in range(people.size)]
        good = [person for person in found if person.old_address != ODD.old_address]
        assert people.rejected is not None
        assert [(p.document, p.phone, p.language, p.gift, p.tags) for p in good] == [
            (p.document, p.phone, p.language, p.gift, p.tags) for p in GOOD
        ]
        assert len({person.phone for person in found}) == len(found)
        assert len(found) == 4 or people.rejected.count
        arrives(folder, found)


def arrives(folder: Path, people: list[Person]) -> None:
    """Whoever is read can be kept in the state and has entries that the metadata server can keep."""
    store = Store(folder / STATE)
    try:
        written = store.commit("population", [Outcome(person.id, ok=True) for person in people], people=people)
        assert all(outcome.ok for outcome in written)
        for person in store.all_people():
            for kind in BUILT_IN:
                refuse_unfit(kind.entry(person, bytes([7]) * 20, SPEC).value)
            person.language.encode()
            assert "\0" not in person.language
    finally:
        store.close()


@settings(deadline=None)  # a loaded machine
@given(oddities=ODDITIES)
def test_by_default_all_of_it_is_named_and_nobody_goes_on(oddities: dict[str, Any]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        written(folder, [*((p.old_address, sound(p)) for p in GOOD), (ODD.old_address, sound(ODD) | oddities)])
        path = folder / "a.yaml"
        path.write_text(SCENARIO.format(folder=".", rule="skip", backend="eth"))
        try:
            rejected = open_population(load_scenario(path)).rejected
        except InvalidError:
            rejected = None
        path.write_text(SCENARIO.format(folder=".", rule="stop", backend="eth"))
        try:
            assert open_population(load_scenario(path)).size == 4
            assert rejected is not None
            assert rejected.count == 0
        except InvalidError:
            assert rejected is None or rejected.count
