"""Makes a new state from a damaged one. It has only what can be proven; the next run looks up everything else.

Each row that is sound is kept. People are made again from the scenario. Outcomes that are lost need no proof: every step looks
first, and the ledger asks the chain what became of each of the signer's nonces. What neither shows is named and left out.
"""

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from cicscenario.chain.filler import PURPOSE as FILLER
from cicscenario.chain.reading import block_time
from cicscenario.chain.review import NONCES
from cicscenario.engine.identity import claim, compare
from cicscenario.engine.run import Stoppable
from cicscenario.engine.services import open_services
from cicscenario.errors import InvalidError, StateRefusedError
from cicscenario.invocation import going_on
from cicscenario.language import Environment, Scenario
from cicscenario.people.person import Person
from cicscenario.plan.compile import Plan, compile_plan
from cicscenario.state.database import delete_temporary
from cicscenario.state.directory import damaged_states, directory_lock
from cicscenario.state.integrity import Damage
from cicscenario.state.salvage import Row, Salvage, put_in_place, salvaged, write_anew
from cicscenario.state.store import STATE, Store
from cicscenario.steps import accounts, population
from cicscenario.unfinished import sweep
from cicscenario.vocabulary import load_scenario
from cicscenario.wording import counted

_NAMED = 5  # people that a line names


@dataclass(frozen=True)
class StateRepairRequest:
    """The arguments of a repair; as those of a run."""

    path: Path
    directory: Callable[[Scenario], Path]
    environment: Callable[[Plan], AbstractContextManager[Environment]]
    stoppable: Stoppable
    overrides: tuple[str, ...] = ()


@dataclass
class Repaired:
    """What a repair has done. ``kept`` is the damaged file, ``rows`` the number of rows in the new state by table.

    ``again`` is what the next run looks up or does again, ``unproven`` what nobody can prove, with what to do.
    """

    directory: Path
    damage: list[Damage]
    kept: Path | None = None
    rows: dict[str, int] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)


def repair(request: StateRepairRequest) -> Repaired:
    """Repairs the state of a scenario's run. Without damage nothing is changed, and ``damage`` of the result is empty.

    The services are needed only if the damage is in the identity of the state. Raises InvalidError when nothing has been run,
    and StateRefusedError when the state is of another scenario or of a later version.
    """
    scenario = load_scenario(request.path, request.overrides)
    directory = request.directory(scenario)
    path = directory / STATE
    if not path.exists() and not damaged_states(directory):
        raise InvalidError(f"there is no state in {directory}", hint=going_on("run", scenario=request.path))
    plan = compile_plan(scenario)
    with directory_lock(directory), ExitStack() as opened:
        sweep(directory)
        source = path if path.exists() else damaged_states(directory)[-1]
        found = opened.enter_context(salvaged(source))
        done = Repaired(directory, found.damage)
        if source == path and not found.damage:
            return done
        if found.newer:
            raise StateRefusedError(
                f"{source} has state format {found.version}, which is of a later cicscenario",
                hint="repair it with that one",
            )
        made = directory / f".{STATE}.repaired"
        _New(plan, found, done).write(made)
        opened.callback(delete_temporary, made)
        _identify(made, request, plan, done)
        done.kept = put_in_place(made, path) or source
    return done


def _identify(made: Path, request: StateRepairRequest, plan: Plan, done: Repaired) -> None:
    """Holds the new state against the scenario; asks the services for what the damage took of its identity."""
    with ExitStack() as opened:
        store = Store(made)
        opened.callback(store.close)
        held = store.meta()
        if (
            "scenario" not in held
        ):  # the one that was named; its people are those of the state, as far as these can be read
            store.set_meta({"scenario": json.dumps(plan.scenario.canonical(), sort_keys=True)})
        compare(store, plan, None)
        if not _lost_identity(held, plan):
            return
        stopping = Event()
        services = opened.enter_context(open_services(plan, request.environment, stopping))
        opened.enter_context(request.stoppable(stopping.set))
        compare(store, plan, services)
        done.again.append("the identity of the chain was asked of its node")
        if "since" not in held and plan.on_chain:
            done.unproven.append(
                "when the run began is not known any more: the balance check of a token that decays counts from now. With such"
                " a token, set `checks.balance_adjust` by hand"
            )
        since = block_time(services.chain.rpc) if plan.on_chain else 0
        new = {"lineage": uuid.uuid4().hex, "since": str(since)}
        store.set_meta({key: value for key, value in new.items() if key not in held})
        claim(store, plan, services)


def _lost_identity(held: dict[str, str], plan: Plan) -> bool:
    chain = {"chain_id", "genesis", "registry", "signer", "since", "token", "decimals"} if plan.on_chain else set()
    return not {"scenario", "digest", "lineage", *chain} <= held.keys()


class _New:
    """The rows of the new state."""

    def __init__(self, plan: Plan, found: Salvage, done: Repaired) -> None:
        self._plan = plan
        self._found = found
        self._done = done
        self._sound = {row[0] for row in found.sound("people") if row[0] < plan.size}
        self._with_account = {row[0] for row in found.sound("people") if row[7] is not None}
        self._lost = [number for number in range(self._end()) if number not in self._sound]

    def _end(self) -> int:
        """One more than the highest person that any sound row names, within the plan."""
        named = (
            int(row[at])
            for table, at in _PERSON_AT.items()
            for row in self._found.sound(table)
            if (table, row[1]) != ("ledger", FILLER)
        )
        return min(self._plan.size, max(named, default=-1) + 1)

    def write(self, path: Path) -> None:
        self._refuse_other_people()
        tables: dict[str, Callable[[], Iterator[Row]]] = {
            "meta": self._meta,
            "people": self._people,
            "outcomes": self._outcomes,
            "ledger": self._ledger,
            "requests": self._requests,
            "payments": lambda: self._of_the_plan("payments"),
            "checks": lambda: self._found.sound("checks"),
            "findings": lambda: self._found.sound("findings"),
        }
        write_anew(path, {table: self._counted(table, rows()) for table, rows in tables.items()})
        self._tell()

    def _counted(self, table: str, rows: Iterator[Row]) -> Iterator[Row]:
        self._done.rows[table] = 0
        for row in rows:
            self._done.rows[table] += 1
            yield row

    def _refuse_other_people(self) -> None:
        """People can only be made again if the scenario makes the same ones as before."""
        for row in self._found.sound("people") if self._lost else ():
            if row[0] < self._plan.size and self._plan.population.person(row[0]).phone != row[2]:
                raise StateRefusedError(
                    f"person {row[0]} of the state is not person {row[0]} of {self._plan.scenario.path}, so the lost people"
                    " cannot be made again",
                    hint="name the scenario, the people and the version of cicscenario that the run began with",
                )

    def _meta(self) -> Iterator[Row]:
        """The identity. From the first nonce of the run on, the ledger looks up what the signer has sent."""
        yield from ((key, value) for key, value in self._found.sound("meta") if key != NONCES)
        first = next((row[4] for row in self._found.sound("ledger") if row[0] == 1), 0)
        if self._plan.sends:
            yield NONCES, str(first)

    def _people(self) -> Iterator[Row]:
        yield from (row for row in self._found.sound("people") if row[0] < self._plan.size)
        known = self._requested()
        for number in self._lost:
            row = _row_of(self._plan.population.person(number))
            yield (*row[:7], known.get(number), row[8])

    def _requested(self) -> dict[int, bytes]:
        """The accounts of lost people which their requests prove: those with exactly one that nobody else has."""
        found: dict[int, set[bytes]] = defaultdict(set)
        for row in self._found.sound("requests"):
            if row[5] is not None:
                found[row[2]].add(row[5])
        taken = {row[7] for row in self._found.sound("people")}
        sole = {number: next(iter(found[number])) for number in self._lost if len(found[number]) == 1}
        number_of = Counter(sole.values())
        return {number: one for number, one in sole.items() if number_of[one] == 1 and one not in taken}

    def _outcomes(self) -> Iterator[Row]:
        """What is proven: the sound ones, that everybody has been made, and that those with an account have one."""
        proven = dict.fromkeys((population.STEP.name, number) for number in sorted({*self._sound, *self._lost}))
        proven |= dict.fromkeys((accounts.STEP.name, number) for number in sorted(self._with_account & self._sound))
        for row in self._found.sound("outcomes"):
            if row[1] in self._sound and not (proven.keys() & {row[:2]}):
                yield row
        yield from ((step, number, 1, None, 0) for step, number in proven)

    def _ledger(self) -> Iterator[Row]:
        """The transactions of the plan's people, and those that use up a nonce, which have it in the place of a person."""
        return (row for row in self._found.sound("ledger") if row[1] == FILLER or row[2] < self._plan.size)

    def _of_the_plan(self, table: str) -> Iterator[Row]:
        return (row for row in self._found.sound(table) if row[_PERSON_AT[table]] < self._plan.size)

    def _requests(self) -> Iterator[Row]:
        """Those that are sound. With a phone interface the others may have been made, so a phone pointer counts as theirs."""
        last = 0
        for row in self._of_the_plan("requests"):
            last = max(last, row[0])
            yield row
        if self._plan.scenario.backend.traits.joins_by_phone:
            for number, person in enumerate(self._without_request(), last + 1):
                yield number, uuid.uuid4().hex, person, "", "asked", None, "its record was lost in a damaged state"

    def _without_request(self) -> list[int]:
        """The people without an account whose request may be among those that were lost."""
        if self._found.complete("requests") or not self._plan.scenario.backend.traits.custodial:
            return []
        asked = {row[2] for row in self._found.sound("requests")}
        return [number for number in range(self._plan.size) if number not in self._with_account and number not in asked]

    def _tell(self) -> None:
        done, traits = self._done, self._plan.scenario.backend.traits
        if self._lost:
            done.again.append(
                f"{_people(self._lost)} made again from the scenario; every step looks for what they have"
            )
        if not self._found.complete("ledger") and self._plan.sends:
            done.again.append("transactions are lost: the next run looks up on the chain what the signer has sent")
        if self._plan.scenario.traffic and traits.custodial and not self._found.complete("payments"):
            done.unproven.append(
                "requests for payments are lost: the next run looks up on the chain what people have paid. What the service has"
                " taken and not yet carried out would be made twice: wait until it has, and run the same command then"
            )
        if (people := self._without_request()) and traits.joins_by_phone:
            done.again.append(f"{_people(people)} may have dialled: the next run looks for their phone pointers first")
        elif people:
            done.unproven.append(
                f"{_people(people)} may have been asked for at the custodial engine, and which account it made cannot be"
                " proven: the next run asks for new ones, and the earlier ones belong to nobody. Without payments to them; if"
                " that must not be, look in the engine's database for accounts that no person has"
            )


_PERSON_AT = {"people": 0, "outcomes": 1, "ledger": 2, "requests": 2, "payments": 3}


def _row_of(person: Person) -> Row:
    tags = json.dumps(person.tags)
    return (
        person.id,
        person.document_json,
        person.phone,
        person.language,
        tags,
        person.old_address,
        person.gift,
        None,
        None,
    )


def _people(numbers: list[int]) -> str:
    """As ``3 people (7, 8, 11)``."""
    first = ", ".join(map(str, numbers[:_NAMED])) + (", ..." if len(numbers) > _NAMED else "")
    return f"{counted(len(numbers), 'person')} ({first})"
