"""JUnit XML, held against what GitLab documents that it reads."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from cicscenario.report.junit import as_junit
from cicscenario.report.recorded import Recorded
from cicscenario.report.rendered import recorded
from tests.support import recordings

MEGABYTE = 1_000_000
#: What GitLab's parser looks at: https://docs.gitlab.com/ci/testing/unit_test_reports/
OUTCOMES = {"failure", "error", "skipped", "system-out", "system-err"}


def junit(place: Path) -> ET.Element:
    """The document, after GitLab's rules were held against it."""
    text = as_junit(recorded(place))
    assert len(text.encode()) < 30 * MEGABYTE
    root = ET.fromstring(text)
    assert root.tag == "testsuites"
    names = []
    for suite in root:
        assert suite.tag == "testsuite"
        cases = suite.findall("testcase")
        assert int(suite.get("tests")) == len(cases) == len(suite)
        assert int(suite.get("failures")) == len(suite.findall("*/failure"))
        assert int(suite.get("errors")) == len(suite.findall("*/error"))
        assert int(suite.get("skipped")) == len(suite.findall("*/skipped"))
        for case in cases:
            assert case.get("name")
            assert case.get("classname") == suite.get("name")
            assert case.get("file") == "scenarios/thousand.yaml"
            assert float(case.get("time")) >= 0
            assert {child.tag for child in case} <= OUTCOMES
            names.append((case.get("classname"), case.get("name")))
    assert len(set(names)) == len(names)
    return root


def outcomes(root: ET.Element) -> dict[str, str]:
    return {case.get("name"): next((child.tag for child in case), "passed") for case in root.iter("testcase")}


def test_a_run_that_went_well_has_a_case_for_itself_each_step_and_each_check(tmp_path: Path) -> None:
    root = junit(recordings.run_directory(tmp_path, recordings.good()))
    assert outcomes(root) == {
        "run ends by itself": "passed",
        "step population": "passed",
        "step accounts": "passed",
        "step gift": "passed",
        "check gas": "passed",
        "check balance": "system-out",
    }
    assert root.find(".//system-out").text == "allowed: -2 % to +0 %"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("6", "0", "0")


def test_what_went_wrong_is_a_failure_with_its_problems_and_people(tmp_path: Path) -> None:
    root = junit(recordings.run_directory(tmp_path, recordings.bad(), failed=3))
    assert outcomes(root) == {
        "run ends by itself": "error",
        "step population": "passed",
        "step accounts": "passed",
        "step gift": "failure",
        "check gas": "passed",
        "check balance": "failure",
        "check keystore": "skipped",
    }
    failure = root.find(".//testcase[@name='check balance']/failure")
    assert failure.get("message") == "25 errors of 1000"
    lines = failure.text.splitlines()
    assert lines == [
        f"this follows: 3 people have no gift: {recordings.HOSTILE} …; 1 check was not passed for that reason",
        f"22 people do not pass the check balance: {recordings.HOSTILE}",
        *(f"  {recordings.HOSTILE} (person {n}): {recordings.HOSTILE}" for n in range(3, 8)),
        "  and 17 more, in failing.csv",
    ]
    assert root.find(".//testcase[@name='run ends by itself']/error").text == recordings.bad()["error"]


def test_characters_that_xml_cannot_hold_do_not_break_it(tmp_path: Path) -> None:
    root = junit(recordings.run_directory(tmp_path, recordings.bad(), failed=3))
    text = root.find(".//testcase[@name='step gift']/failure").text
    assert r"\x00\x1b[31m" in text
    assert not re.search("[\x00\x1b]", text)


def test_endless_problems_stay_below_what_gitlab_reads() -> None:
    report = recordings.bad()
    for check in report["checks"]:
        check |= {"errors": 20, "failing": [{"person": n, "problem": "x" * MEGABYTE} for n in range(20)]}
    assert len(as_junit(Recorded(report, None))) < MEGABYTE


def test_a_stopped_run_leaves_skipped_steps(tmp_path: Path) -> None:
    report = recordings.good() | {"exit_code": 130}
    report["steps"][1] |= {"ok": 10, "pending": 990}
    root = junit(recordings.run_directory(tmp_path, report))
    assert outcomes(root)["step accounts"] == "skipped"
    assert outcomes(root)["run ends by itself"] == "error"
