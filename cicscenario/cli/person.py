"""``cicscenario show SCENARIO PERSON``: everything about one person, from the state of a run and from the services."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from cicscenario.api import workspace
from cicscenario.api.runplace import RunPlace
from cicscenario.cli.atwork import at_work
from cicscenario.cli.interrupts import stopped_by_signals
from cicscenario.engine.history import History, history, listed
from cicscenario.engine.identity import recall_named
from cicscenario.engine.presence import Look, Presence, document, presence, unasked
from cicscenario.engine.services import open_services
from cicscenario.engine.who import who
from cicscenario.errors import ExitCode, InvalidError, UnavailableError
from cicscenario.people.person import Person
from cicscenario.plan.compile import Plan, compile_plan
from cicscenario.plan.origin import origin_of
from cicscenario.printable import json_text, one_line, say
from cicscenario.state.directory import store_of_a_run
from cicscenario.state.store import Store
from cicscenario.vocabulary import load_scenario
from cicscenario.wording import counted

_LISTED = 50  #: people who are listed when several are meant


def person(place: RunPlace, text: str, *, offline: bool, fmt: str) -> ExitCode:
    """Prints the person that ``text`` means (see ``engine.who``), or lists several. Changes nothing.

    Without ``offline`` the services are asked; a sandbox is started for that, as for ``verify``. A service that does not
    answer is shown as such. Raises InvalidError when nobody is meant.
    """
    scenario = load_scenario(place.scenario, place.overrides)
    store = store_of_a_run(workspace.run_directory(scenario, place.directory), place.scenario, rows=False)
    try:
        recall_named(store.meta())
        plan = compile_plan(scenario, store)
        found = who(store, text, scenario.population.region, [check.name for check in plan.checks])
        if not found:
            raise InvalidError(
                f"nobody in the {counted(store.population(), 'person')} of this run is meant by {one_line(text)!r}",
                hint="give an index, a phone number, an account, a transaction's hash, a request's id, or words of a name",
            )
        people = store.people_of(found[:_LISTED])
        if len(found) > 1:
            _say_several([people[number] for number in found[:_LISTED]], len(found), fmt)
            return ExitCode.OK
        told = history(plan, store, people[found[0]])
        source = origin_of(told.person.id, scenario, plan.population)
        if fmt != "json":  # at once: services may take long
            say("\n".join(_lines(told, plan.size, source)), flush=True)
        there = None if offline else _ask(place, plan, store, told.person)
    finally:
        store.close()
    if fmt == "json":
        now = {} if there is None else {"services": document(there)}
        parts = ("steps", "checks", "transactions", "requests")
        say(
            json_text(
                told.who
                | {"source": source}
                | {part: [asdict(one) for one in getattr(told, part)] for part in parts}
                | now,
                indent=2,
            )
        )
    elif there is not None:
        say("\n".join(_found(there)))
    return ExitCode.OK


def _ask(place: RunPlace, plan: Plan, store: Store, one: Person) -> list[Presence]:
    stopping = threading.Event()
    try:
        with (
            at_work("asking the services") as listener,
            open_services(
                plan, lambda this: workspace.environment(this, place.env, place.sandbox, listener), stopping
            ) as services,
            stopped_by_signals(stopping.set),
        ):
            return presence(Look(plan, store, one, services))
    except InvalidError as error:
        error.add_note("`--offline` shows what the state has, without the services")
        raise
    except UnavailableError as error:  # such as a sandbox that cannot be started
        return unasked(plan, error.message)


def _say_several(people: Sequence[Person], number: int, fmt: str) -> None:
    if fmt == "json":
        say(json_text({"matches": listed(people), "number": number}, indent=2))
        return
    say(f"{counted(number, 'person')} are meant; name one of them by index:")
    for one in listed(people):
        say(
            f"  {one['index']:>7}  {one['phone']:<15}  {one_line(one['name']) or '(no name)'}  {one['account'] or ''}".rstrip()
        )
    if number > len(people):
        say(f"  and {number - len(people):,} more")


def _lines(told: History, size: int, source: str | None) -> Iterator[str]:
    one = told.who
    yield f"{one_line(one['name']) or '(no name)'}: person {one['index']:,} of {size:,}"
    for key, name in (
        ("phone", "phone"),
        ("account", "account"),
        ("old_account", "account before"),
        ("language", "language"),
    ):
        yield f"  {name:<16}{one_line(one[key]) if one[key] else 'none'}"
    yield f"  {'tags':<16}{one_line(', '.join(one['tags'])) or 'none'}"
    if source:
        yield f"  {'from':<16}{one_line(source)}"
    yield f"  {'gift':<16}{one['gift']:,} {one_line(told.unit)}"
    for title, ends in (("steps", told.steps), ("checks", told.checks)):
        yield f"{title}:"
        yield from _table((end.name, end.result, _shown(end.at), end.detail or "") for end in ends)
    yield from _sent(told)
    yield from _asked(told)
    yield from _payments(told)


def _found(there: Sequence[Presence]) -> Iterator[str]:
    yield "in the services now:"
    yield from _table((seen.service, seen.what, seen.there.value, seen.detail) for seen in there)


def _sent(told: History) -> Iterator[str]:
    yield "transactions of the run:" if told.transactions else "transactions of the run: none"
    for one in told.transactions:
        block = f" in block {one.block:,}" if one.block is not None else ""
        amounts = [f"{one.tokens} {one_line(told.unit)}"] if one.tokens is not None else []
        amounts += [f"{one.base_units} base units"] if one.base_units is not None else []
        amounts += [f"{one.wei} wei"] if one.wei else []
        yield f"  {one.purpose}: nonce {one.nonce}, {one.status}{block}{', ' if amounts else ''}{', '.join(amounts)}"
        yield f"    {one.hash} of {one.signer}"
        if one.detail:
            yield f"    {one_line(one.detail)}"


def _asked(told: History) -> Iterator[str]:
    yield "requests for an account:" if told.requests else "requests for an account: none"
    for one in told.requests:
        account = f", account {one.account}" if one.account else ""
        channel = f", callback on {one_line(one.channel)}" if one.channel else ""
        yield f"  {one_line(one.id)}: {one.status}{account}{channel}"
        if one.detail:
            yield f"    {one_line(one.detail)}"


def _payments(told: History) -> Iterator[str]:
    if told.payments:
        yield "payments asked of a service:"
    for one in told.payments:
        yield f"  payment {one.number}: {one.status}{f', {one.hash}' if one.hash else ''}, {one_line(one.id)}"
        if one.detail:
            yield f"    {one_line(one.detail)}"


def _shown(at: str | None) -> str:
    return at.replace("T", " ").replace("Z", " UTC") if at else ""


def _table(rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """Rows in columns that are as wide as their cells; the last one is not padded."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
