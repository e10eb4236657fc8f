"""The page of measured figures is that of its JSON file, and the command that measures works."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.figures import NOTES, Figures, Row, document, noted, page, rows_of, written
from tests.benchmarks.table import CHAIN, OWN_KEYS, ROOT, Work, measured, works

DOCS = ROOT / "docs"
NOW = Figures(5.25, 812.4, 101.2, 1.23, {"meta": 3.0, "chain": 0.04}, 1950.0)
ROW = Row("by hand", "embedded", 1_000, NOW)


def test_the_page_says_what_the_file_has() -> None:
    found = json.loads((DOCS / "measured.json").read_text())
    assert (DOCS / "measured.md").read_text() == page(found), "run: python -m tests.benchmarks.table docs"
    assert {row.key for row in rows_of(found)} >= {(work.name, work.node, work.people) for work in works()}
    assert all(row.before for row in rows_of(found))
    assert set(found["machine"]) == {"processor", "processors", "memory", "system"}
    assert "Python" in found["versions"]


def test_a_row_has_its_share_of_the_ceiling_and_its_requests_in_the_order_of_services() -> None:
    assert ROW.lines() == [
        "| by hand | embedded | 1,000 | now | 5.2 | 812 | 1,950 | 0.42 | 101 | 1.23 | chain 0.04, meta 3 |"
    ]


def test_what_has_no_ceiling_has_no_share_and_the_version_before_comes_first() -> None:
    lines = replace(ROW, now=replace(NOW, ceiling=None), before=NOW).lines()
    assert [line.split(" | ")[3] for line in lines] == ["before", "now"]
    assert lines[1].split(" | ")[6:8] == ["", ""]


def test_rows_come_back_from_the_file_as_they_were() -> None:
    rows = [ROW, replace(ROW, people=7, before=replace(NOW, ceiling=None))]
    assert rows_of(json.loads(json.dumps(document(rows, "v1")))) == rows


def test_what_a_benchmark_notes_is_in_both_files_and_survives_the_next_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted("Workers", "by hand", {"files": "12 s"})  # nowhere
    written(tmp_path, document([ROW], None))
    monkeypatch.setenv(NOTES, str(tmp_path))
    noted("Workers", "by hand", {"files": "12 s"})
    noted("Workers", "by hand", {"hashes": "7 s"})
    found = json.loads((tmp_path / "measured.json").read_text())
    assert found["notes"] == {"Workers": {"command": "by hand", "figures": {"files": "12 s", "hashes": "7 s"}}}
    assert (tmp_path / "measured.md").read_text() == page(found)
    assert page(found).endswith(
        "## Workers\n\n`by hand`\n\n| what | measured |\n|:--|:--|\n| files | 12 s |\n| hashes | 7 s |\n"
    )
    assert document(rows_of(found), None, found["notes"])["notes"] == found["notes"]


@pytest.mark.slow
def test_a_work_is_measured_in_a_sandbox_that_is_gone_afterwards(tmp_path: Path) -> None:
    work = Work("keys of their own", "embedded", 10, OWN_KEYS, CHAIN)
    found = measured(work, tmp_path / "home", ROOT)
    assert found.rate > 0
    assert found.ceiling
    assert found.requests.keys() == {"chain"}
    assert found.memory > 20
    assert not (tmp_path / "home" / "sandbox").exists()
