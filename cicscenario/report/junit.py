"""The report as JUnit XML, for merge requests in GitLab and others: one case for the run, each step and each check."""

import re
from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from cicscenario.engine.failing import FAILING
from cicscenario.errors import ExitCode
from cicscenario.printable import printable
from cicscenario.report.form import ReportForm
from cicscenario.report.problems import named
from cicscenario.report.recorded import Recorded, check_notes
from cicscenario.wording import counted

_TEXT = 2_000  #: maximum characters about one person; keeps the file far below GitLab's limit of 30 MB
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(recorded: Recorded) -> str:
    """The report as JUnit XML. A check with errors is a failure with its problems and people; a check not made is skipped."""
    return xml_text(suites_of(recorded))


def suites_of(recorded: Recorded) -> ET.Element:
    """The test cases of one run: a suite each for the run, the steps and the checks."""
    report = recorded.report
    suites = ET.Element("testsuites", name=_clean(report["scenario"]))
    _suite(suites, recorded, "run", [_run_case(recorded)])
    _suite(suites, recorded, "steps", [_step_case(step, recorded) for step in report["steps"]])
    checks = [_check_case(check, recorded) for check in report["checks"]]
    _suite(suites, recorded, "checks", checks + [_unmade_case(check["name"]) for check in recorded.unmade])
    return _counted(suites)


def not_reported(name: str, verdict: str, *, skipped: bool) -> ET.Element:
    """The case of a run that has no report: it was not begun (``skipped``), or it ended before there was one."""
    suites = ET.Element("testsuites", name=_clean(name))
    suite = ET.SubElement(suites, "testsuite", name=_clean(f"{name}.run"), tests="1", failures="0", time="0.000")
    suite.set("errors", str(int(not skipped)))
    suite.set("skipped", str(int(skipped)))
    case = _say(_case("run ends by itself"), "skipped" if skipped else "error", verdict)
    case.set("classname", _clean(f"{name}.run"))
    suite.append(case)
    return _counted(suites)


def joined(name: str, runs: Iterable[ET.Element]) -> ET.Element:
    """The suites of several runs in one."""
    suites = ET.Element("testsuites", name=_clean(name))
    suites.extend(suite for run in runs for suite in run)
    return _counted(suites)


def _counted(suites: ET.Element) -> ET.Element:
    for count in ("tests", "failures", "errors", "skipped"):
        suites.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    return suites


def xml_text(suites: ET.Element) -> str:
    """The suites as a file."""
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, "unicode") + "\n"


def _suite(suites: ET.Element, recorded: Recorded, kind: str, cases: Sequence[ET.Element]) -> None:
    name = f"{recorded.report['scenario']}.{kind}"
    suite = ET.SubElement(suites, "testsuite", name=_clean(name))
    if "written" in recorded.report:
        suite.set("timestamp", recorded.report["written"].partition("+")[0])
    for case in cases:
        case.set("classname", _clean(name))
        if "file" in recorded.report:
            case.set("file", _clean(recorded.report["file"]))
        suite.append(case)
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _case(name: str, seconds: float = 0.0) -> ET.Element:
    return ET.Element("testcase", name=_clean(name), time=f"{seconds:.3f}")


def _say(case: ET.Element, kind: str, message: str, text: str = "") -> ET.Element:
    said = ET.SubElement(case, kind, message=_clean(message))
    said.text = _clean(text) or None
    return case


def _run_case(recorded: Recorded) -> ET.Element:
    seconds = float(recorded.progress["seconds"]) if recorded.progress else 0.0
    case = _case("run ends by itself", seconds)
    if recorded.code not in (ExitCode.OK, ExitCode.CHECKS_FAILED):
        _say(case, "error", recorded.verdict, recorded.report.get("error", recorded.detail))
    return case


def _step_case(step: dict[str, Any], recorded: Recorded) -> ET.Element:
    pace = recorded.pace(step["name"])
    case = _case(f"step {step['name']}", pace.seconds if pace else step["seconds"])
    counts = f"{step['ok']} ok, {step['failed']} failed, {step['pending']} pending of {step['total']}"
    if step["failed"]:
        _say(case, "failure", counts, _problems(recorded, "step", step["name"]))
    elif step["pending"]:
        _say(case, "skipped", counts)
    return case


def _check_case(check: dict[str, Any], recorded: Recorded) -> ET.Element:
    case = _case(f"check {check['name']}")
    if check["errors"]:
        message = f"{counted(check['errors'], 'error')} of {check['total']}"
        _say(case, "failure", message, _problems(recorded, "check", check["name"]))
    elif notes := check_notes(check):
        ET.SubElement(case, "system-out").text = _clean(notes)
    return case


def _unmade_case(name: str) -> ET.Element:
    return _say(_case(f"check {name}"), "skipped", "not made")


def _problems(recorded: Recorded, what: str, name: str) -> str:
    """The problems of a step or check, and those that it only follows from."""
    said = []
    for problem in recorded.problems.problems:
        if (problem.what, problem.name) == (what, name):
            people = [f"  {named(one)}: {one.reason[:_TEXT]}" for one in problem.first]
            where = f", in {FAILING}" if recorded.problems.people else ""
            more = f"  and {problem.more:,} more{where}" if problem.more else ""
            said += [problem.sentence, *people, *([more] if more else [])]
        elif what == "check" and name in (*problem.unmade, *problem.failing):
            said.append(f"this follows: {problem.sentence}")
    return "\n".join(said)


def _clean(text: str) -> str:
    """The text with characters escaped that XML does not allow, or that change what a reader sees."""
    return _NOT_XML.sub("\ufffd", printable(text))


FORM = ReportForm("junit", "junit.xml", as_junit)
