"""What of runs is in a snapshot, also of those of a matrix, whose folders are one level deeper."""

import io
from pathlib import Path

import pytest

from cicscenario.sandbox.snapshot.archive import ArchiveBounds, unpack, write_archive
from cicscenario.sandbox.snapshot.contents import contents, expected
from cicscenario.sandbox.snapshot.manifest import RUN_NAME
from cicscenario.state.directory import run_folders

NAMES = ["m/backend=eth,population.size=10", "m/backend=cic_eth,population.size=10", "plain"]


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    folders = {name: tmp_path / "home/runs" / name for name in NAMES}
    for name, folder in folders.items():
        (folder / "tx").mkdir(parents=True)
        (folder / "lock").touch()
        (folder / "state.sqlite").write_text(name)
        (folder / "tx/1").write_text("x")
    (tmp_path / "home/runs/m/summary.json").write_text("{}")
    return folders


def test_the_runs_of_a_matrix_are_found_and_have_names_of_their_own(runs: dict[str, Path], tmp_path: Path) -> None:
    found = dict(run_folders(tmp_path / "home/runs"))
    assert found == {**runs, "m": tmp_path / "home/runs/m"}
    assert all(map(RUN_NAME.fullmatch, found))
    for name in ("../x", "m/../x", "m/", "/m", "m/a/b", "m//a", ".m/a", "m/.a"):
        assert not RUN_NAME.fullmatch(name), "it would lead out of the folder of all runs"


def test_what_is_saved_of_runs_is_what_is_unpacked(runs: dict[str, Path], tmp_path: Path) -> None:
    members = list(contents(tmp_path / "home/sandbox", (), runs))
    archive = io.BytesIO()
    write_archive(archive, iter(members))
    archive.seek(0)
    target = tmp_path / "restored"
    target.mkdir()
    (target / "runs").mkdir()
    bounds = ArchiveBounds(len(members), sum(member.size or 0 for member in members))
    unpack(archive, target, bounds, expected((), runs.keys()))
    files = {str(path.relative_to(target / "runs")) for path in target.rglob("*") if path.is_file()}
    assert files == {f"{name}/{file}" for name in NAMES for file in ("state.sqlite", "tx/1")}, "no lock, no summary"


def test_a_snapshot_has_nothing_beside_the_runs_that_it_names(runs: dict[str, Path]) -> None:
    is_expected = expected((), runs.keys())
    assert is_expected("runs/m")
    assert is_expected(f"runs/{NAMES[0]}/state.sqlite")
    for name in ("runs/m/summary.json", "runs/m/backend=x", "runs/m/backend=eth,population.size=100", "runs/other"):
        assert not is_expected(name)
