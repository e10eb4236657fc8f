"""Finds people whose entry in the metadata store is not right, and decides what is safe to write, and what can be written.

What the step would refuse is left alone, with the way out, so that a repair promises only what it can do.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.labour import labour
from cicscenario.capabilities.metadata import MetadataKind, Writer
from cicscenario.capabilities.phonerows import NO_ROW, PhoneAccounts, unfit_rows
from cicscenario.capabilities.remedy import Decision, LeftAlone, MadeAgain
from cicscenario.errors import CicScenarioError
from cicscenario.people.person import Person
from cicscenario.workers.kinds import LOOKS

UNREADABLE = LeftAlone(
    "the entry cannot be read, so it is not known what would be replaced: look at it in cic-meta's log and database, delete it"
    " there (see `cicscenario explain troubleshooting`, at `left alone`), and repair again"
)
ELSEWHERE = LeftAlone("the entry has another value, which may be somebody else's: it is not replaced")
IMMUTABLE = LeftAlone(
    "the entry is immutable, and writing there would end cic-meta: delete it in cic-meta's database (see `cicscenario"
    " explain troubleshooting`, at `left alone`), and repair again"
)
NOT_MERGED = LeftAlone(
    "the entry has another value, and writing in two steps removes nothing of it: with `meta.write: one-step` in the environment"
    " file it can be replaced"
)


def verifier(kind: MetadataKind, context: RunContext) -> Verifier:
    """Compares the entry of each person with that of the kind."""
    services = context.services
    merges = services.environment.meta is not None and services.environment.meta.write == "two-step"

    def verify(people: Sequence[Person]) -> dict[int, str]:
        wanted = [kind.of(person, services.spec) for person in people]
        pointers = [one.pointer.hex() for one in wanted]
        problems = {
            people[index].id: wanted[index].problem(value, merges=merges)
            for index, value in labour(context, None, LOOKS, {}, pointers)
        }
        return {person: problem for person, problem in problems.items() if problem}

    return verify


def judge(
    kind: MetadataKind, context: RunContext, people: Sequence[Person], problems: Mapping[int, str]
) -> dict[int, Decision]:
    """What is not there is written. Another value is replaced, unless it leads to another account.

    Raises UnavailableError when the metadata store or the account table does not answer.
    """
    meta, spec = context.services.meta, context.services.spec
    entries = {person.id: kind.of(person, spec) for person in people}
    found = dict(zip(entries, meta.get_many([entry.pointer for entry in entries.values()]), strict=True))
    unfit = _unfit(kind, context, people)
    decided: dict[int, Decision] = {}
    replaced = []
    for person in entries:
        if isinstance(found[person], CicScenarioError):
            decided[person] = UNREADABLE
        elif found[person] is not None and kind.replaces:
            decided[person] = ELSEWHERE
        elif person in unfit:
            decided[person] = unfit[person]
        elif found[person] is None:
            decided[person] = MadeAgain(kind.label, "the entry is written")
        else:
            replaced.append(person)
    where = context.services.environment.meta
    two_steps = where is not None and where.write == "two-step"
    fixed = meta.are_immutable([entries[person].pointer for person in replaced])
    for person, immutable in zip(replaced, fixed, strict=True):
        if isinstance(immutable, CicScenarioError):
            decided[person] = UNREADABLE
        elif immutable:
            decided[person] = IMMUTABLE
        elif two_steps and not _merges(found[person], entries[person].value):
            decided[person] = NOT_MERGED
        else:
            decided[person] = MadeAgain(kind.label, "the entry is replaced by that of the scenario")
    return decided


def _merges(found: Any, value: Any) -> bool:
    """Whether a write in two steps gives exactly the value: it keeps keys, and merges only an object into an object."""
    return isinstance(found, dict) and isinstance(value, dict) and not found.keys() - value.keys()


def _unfit(kind: MetadataKind, context: RunContext, people: Sequence[Person]) -> dict[int, LeftAlone]:
    """Those for whom the step writes nothing, because of what the account table has."""
    if context.services.environment.accounts is None:
        return {}
    if kind.writer(context.scenario) is Writer.INTERFACE:
        return unfit_rows(context, people)
    if kind.needs_phone_account(context.scenario):
        return {person.id: NO_ROW for person in PhoneAccounts(context).missing(people, of_all=False)}
    return {}
