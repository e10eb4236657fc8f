"""Makes again what the checks find gone or wrong, where that is safe, with the steps of the run; for a damaged state file see
``staterepair``.

First the checks are asked, and nothing is changed before the user agrees to what is shown. Then the outcomes of just those
people are reopened, each with its reason, and the steps are executed for them. A repair that is killed leaves a state as a
killed run does: ``run`` goes on with what is open, and ``repair`` asks again what is wrong.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace

from cicscenario.capabilities.cost import Need, amount
from cicscenario.capabilities.readback import ReadBack
from cicscenario.capabilities.remedy import MadeAgain
from cicscenario.capabilities.step import repairing
from cicscenario.chain.abi import to_hex
from cicscenario.chain.trace import ancestor
from cicscenario.connections import Service
from cicscenario.engine.conclude import conclude, going_on_with, write_files
from cicscenario.engine.events import Listener, Noted, RepairLooked, StageStarted
from cicscenario.engine.findings import NAMED, RepairLine, RepairPlan, Scope, find
from cicscenario.engine.identity import compare
from cicscenario.engine.run import ASKING, COMPARING, WRITING, Run, RunRequest, execute, look_back, open_run, report
from cicscenario.engine.verify import require_answers, verify
from cicscenario.errors import ExitCode, InvalidError, StepFailedError, UnavailableError
from cicscenario.invocation import going_on
from cicscenario.plan.compile import Plan, compile_plan
from cicscenario.plan.preflight import ask_services
from cicscenario.state.directory import existing_store, nothing_run
from cicscenario.state.rows import CheckRow, Outcome
from cicscenario.steps import accounts, all_steps, population
from cicscenario.vocabulary import load_scenario
from cicscenario.wording import counted

_PAGE = 500
_WHY = "is made again by a repair, because it was gone or wrong"
_ASKED_FOR = "the step is executed again, as was asked for"
_BEGUN = "an earlier repair has begun to make it again, and it is finished"


@dataclass(frozen=True)
class RepairRequest:
    """The arguments of a repair: the run, as for a run itself.

    ``agree`` is called with what would be done, before anything is changed, if anything is to be done; it raises an error when
    the user does not agree. With ``step``, only this step is looked at, and with ``people`` only these people, as the user
    names them (index or phone number). ``failed``: only people who do not pass a check, also for steps that can always be
    executed again.
    """

    run: RunRequest
    agree: Callable[[RepairPlan], None]
    step: str | None = None
    people: tuple[str, ...] = ()
    failed: bool = True


def repair(request: RepairRequest, listener: Listener) -> tuple[ExitCode, list[CheckRow]]:
    """Repairs a run. Returns the exit code and the results of the checks that are made at the end.

    Raises InvalidError when nothing has been run, and UnavailableError, with nothing changed, when a service is missing or
    the signer lacks funds.
    """
    run = request.run
    scenario = load_scenario(run.path, run.overrides)
    directory = run.directory(scenario)
    with ExitStack() as opened:
        store = existing_store(directory, rows=False)
        if store:
            opened.callback(store.close)
        if store is None or not store.meta():
            raise nothing_run(directory, run.path)
        plan = compile_plan(scenario, store)
        _require_step(plan, request)
        this = opened.enter_context(open_run(run, plan, listener))
        with run.stoppable(this.stopping.set):
            this.state.await_check()  # what is to be made again depends on all of it
            _require_services(this)
            withdrawn: frozenset[str] = frozenset()
            if went_back := _went_back(this):
                _agree(went_back, request, listener)
                withdrawn = _look_back(this)
            found = _look(this, request)
            _agree(found, request, listener)
            this.redo = found.redo
        return report(this, lambda run: carry_out(run, withdrawn)), this.checks


def _agree(found: RepairPlan, request: RepairRequest, listener: Listener) -> None:
    """Shows what was found: what is made again, and what is left alone. Asks, if anything is to be done."""
    planned = found.event()
    listener(planned)
    if planned.again or found.redo:
        request.agree(found)


def carry_out(this: Run, withdrawn: frozenset[str] = frozenset()) -> ExitCode:
    """Makes again what ``this.redo`` has, and asks all checks about everybody.

    ``withdrawn`` are steps of which outcomes were withdrawn because the chain went back: they are executed for all of these.
    """
    plan = _with_repairs(this.plan, this.redo.steps)
    if this.redo or withdrawn:
        _add_open(this, withdrawn | _look_back(this))
        this.listener(StageStarted("opening again what is made again"))
        _reopen(this, plan)
        execute(this, plan)
        _tell_failed(this, plan)
        this.listener(StageStarted(WRITING))
        write_files(this.plan, this.context())
    context = replace(this.context(), read_back=ReadBack())
    with this.progress.checking() if this.progress else nullcontext():
        this.checks = verify(this.plan.checks, context, this.plan.size, this.listener, this.astray)
    return told(this)


def told(this: Run) -> ExitCode:
    """The exit code, by the results of the checks. Raises StepFailedError for a step that is not done: ``run`` goes on with it.

    Raises UnavailableError when a check could not ask about everybody.
    """
    wrong = any(row.errors for row in this.checks)
    if not wrong or (this.redo and _has_undone(this)):
        try:
            conclude(this.plan, this.state, None)
        except StepFailedError as error:
            error.resume = going_on_with(this.plan, this.state, wrong=wrong, scenario=this.request.path)
            raise
    require_answers(this.checks)
    return ExitCode.CHECKS_FAILED if wrong else ExitCode.OK


def _has_undone(this: Run) -> bool:
    """Whether a step was not begun for somebody, or failed for somebody for whom this repair has executed it.

    Who is left alone has failed earlier, if at all, and repeating helps nobody.
    """
    counts = this.state.counts()
    if any(sum(counts.get(step.name, (0, 0))) < this.plan.size for step in this.plan.steps):
        return True
    return any(
        one.person in this.redo.of(step.name)
        for step in this.plan.steps
        if len(this.redo.of(step.name))
        for one in this.state.failures(step.name, this.plan.size)
    )


def _require_step(plan: Plan, request: RepairRequest) -> None:
    names = [step.name for step in _with_repairs(plan).steps]
    if request.step is not None and request.step not in names:
        raise InvalidError(f"this scenario has no step {request.step!r}", hint=f"its steps are: {', '.join(names)}")
    if request.step in (population.STEP.name, accounts.STEP.name):
        raise InvalidError(
            f"the step {request.step} is never executed again: everybody would be somebody else",
            hint=f"{going_on('run', '--fresh')} starts a new run, which makes and pays all its people again",
        )


def _with_repairs(plan: Plan, wanted: frozenset[str] | None = None) -> Plan:
    """The plan with the steps that only a repair has, or with those of them that are ``wanted``."""
    there = {step.name for step in plan.steps}
    others = [step for step in all_steps() if step.name not in there and (wanted is None or step.name in wanted)]
    more = [one for step in others if (one := repairing(step, plan.scenario))]
    return replace(plan, steps=(*plan.steps, *more))


# --- what is wrong ------------------------------------------------------------------------------------------------


def _require_services(this: Run) -> None:
    """Raises UnavailableError for a service that is missing, and StateRefusedError when the state is of something else."""
    this.listener(StageStarted(ASKING))
    ask_services(this.services, this.plan.services)
    this.listener(StageStarted(COMPARING))
    compare(this.state, this.plan, this.services, people=False)


def _went_back(this: Run) -> RepairPlan | None:
    """What is to be done first when the chain does not have all blocks that the run has read; None when it has."""
    if not this.plan.sends or (block := ancestor(this.services.chain.rpc, this.state.trace())) is None:
        return None
    how = "what was in later blocks is looked up again, and what the chain has lost is open again in the state"
    line = RepairLine("chain", MadeAgain("chain", how), f"block {block} is the last that the run knows", this.plan.size)
    return RepairPlan(lines=[line])


def _look(this: Run, request: RepairRequest) -> RepairPlan:
    """Finds out what is to be made again. Changes nothing."""
    plan = _with_repairs(this.plan)
    people = _numbers(this, request.people) if request.people else None
    wanted = Scope(request.step, people)
    chosen = next((step for step in plan.steps if step.name == request.step), None)
    if chosen is not None and chosen.step.repeatable and not request.failed:
        found = _whole_step(this, chosen.name, people)
    else:
        found = find(
            plan,
            this.context(),
            wanted,
            lambda *asked: this.listener(RepairLooked(*asked)),
            lambda check: this.listener(StageStarted(f"asking check {check}")),
        )
    _take_up(this, plan, wanted, found)
    _require_funds(this, found)
    return found


def _take_up(this: Run, plan: Plan, wanted: Scope, found: RepairPlan) -> None:
    """Adds what an earlier repair has reopened and not finished, for people who pass the checks now."""
    for step in plan.steps:
        open_ = [
            one.person
            for one in this.state.failures(step.name, plan.size)
            if one.detail == _WHY and wanted.has(one.person) and one.person not in found.redo.of(step.name)
        ]
        if open_ and wanted.step in (None, step.name):
            line = RepairLine(step.name, MadeAgain(step.name, _BEGUN), _WHY, len(open_), open_[:NAMED])
            found.lines.append(line)
            for person in open_:
                found.redo.add(step.name, person)


def _whole_step(this: Run, step: str, people: frozenset[int] | None) -> RepairPlan:
    """A repeatable step, for everybody who has an account, or for those of ``people``."""
    found = RepairPlan()
    line = RepairLine(step, MadeAgain(step, _ASKED_FOR), "")
    for page in this.state.pages():
        for person in page:
            if person.address is not None and (people is None or person.id in people):
                found.redo.add(step, person.id)
                line.add(person.id)
    found.lines += [line] if line.people else []
    return found


def _numbers(this: Run, named: Sequence[str]) -> frozenset[int]:
    """The ids of people who are named by index or phone number. Raises InvalidError for one that there is not."""
    found = {int(name) for name in named if name.isascii() and name.isdigit() and int(name) < this.plan.size}
    phones = [name for name in named if name.startswith("+")]
    known = this.state.people_by_phone(phones)
    unknown = [name for name in named if name not in known and not (name.isdigit() and int(name) in found)]
    if unknown:
        raise InvalidError(
            f"there is nobody {', '.join(unknown)} in this run",
            hint=f"name people by index (0 to {this.plan.size - 1}) or phone number, such as +254700000000",
        )
    return frozenset(found | set(known.values()))


def _require_funds(this: Run, found: RepairPlan) -> None:
    """Raises UnavailableError when the signer cannot pay what is to be sent."""
    sending = [step for step in this.plan.steps if step.cost and len(found.redo.of(step.name))]
    if not sending or Service.CHAIN not in this.plan.services:
        return
    chain, wei = this.services.chain, 0
    for step in sending:
        if step.cost:
            each = step.cost.gas * chain.gas_price + step.cost.native(this.plan.scenario)
            wei += len(found.redo.of(step.name)) * each
    hint = f"send native currency to {to_hex(chain.signer.address)}"
    need: Need = amount("native currency", wei, chain.balance(), "wei", hint)
    if not need.ok:
        raise UnavailableError(
            f"nothing was changed, because the signer lacks funds: needs {need.needs}, has {need.has}", hint=hint
        )


# --- what is done -------------------------------------------------------------------------------------------------


def _look_back(this: Run) -> frozenset[str]:
    """Finds out what the signer has sent. Returns the steps of which outcomes were withdrawn, since the chain went back."""
    before = this.state.counts()
    this.listener(StageStarted(COMPARING))
    look_back(this)
    now = this.state.counts()
    return frozenset(step for step, (ok, _) in before.items() if now.get(step, (0, 0))[0] < ok)


def _add_open(this: Run, steps: frozenset[str]) -> None:
    """Adds everybody who is not done in these steps."""
    for step in steps:
        for first in range(0, this.plan.size, _PAGE):
            stop = min(first + _PAGE, this.plan.size)
            for person in set(range(first, stop)) - this.state.done(step, first, stop):
                if person not in this.redo.of(step):
                    this.redo.add(step, person)


def _reopen(this: Run, plan: Plan) -> None:
    """Marks the outcomes of just the people whose results are made again as failed, so that the steps are executed for them."""
    for step in plan.steps:
        people = this.redo.of(step.name)
        part: list[Outcome] = []
        for person in people:
            part.append(Outcome(person, ok=False, detail=_WHY))
            if len(part) == _PAGE:
                this.state.commit(step.name, part)
                part = []
        this.state.commit(step.name, part)


def _tell_failed(this: Run, plan: Plan) -> None:
    """Says for whom a step failed that the run itself does not have, and that its report does not have either."""
    own = {step.name for step in this.plan.steps}
    for step in plan.steps:
        if step.name not in own and len(this.redo.of(step.name)):
            failed = [one for one in this.state.failures(step.name, plan.size) if one.person in this.redo.of(step.name)]
            for one in failed[:NAMED]:
                this.listener(Noted(f"{step.name}: person {one.person}: {one.detail}"))
            if len(failed) > NAMED:
                this.listener(Noted(f"{step.name}: and {counted(len(failed) - NAMED, 'other')}"))
