"""Every command on the pages to read is run, in a folder of its own, and prints what the page shows."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cicscenario.language import load_environment
from cicscenario.sandbox import stack
from tests.support.sandboxes import small_scenario
from tests.support.walkthrough import CommandBlock, read_page, unprinted, walk

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
KEYS = ROOT / "tests" / "support" / "keys"
#: Pages for walking, each with how long it may take on a slow machine, in seconds.
PAGES = {"tutorial.md": 600, "sandbox.md": 600, "docker-compose.md": 120, "people.md": 300, "recipes.md": 900}
#: Programs of other projects, which are not here.
ELSEWHERE = "console"

#: Clients of the services that a machine may not have, for the one use of them that the pages show.
CLIENTS = {
    "psql": """
import os, sys, psycopg2
given = dict(zip(sys.argv[1:-2:2], sys.argv[2:-2:2]))
assert sys.argv[-2] == "-Atc"
place = dict(host=given["-h"], port=given["-p"], user=given["-U"], dbname=given["-d"], password=os.environ["PGPASSWORD"])
cursor = psycopg2.connect(**place).cursor()
cursor.execute(sys.argv[-1])
print(*("|".join(map(str, row)) for row in cursor.fetchall()), sep=chr(10))
""",
    "redis-cli": """
import sys, redis
assert sys.argv[1] == "-u"
print(redis.Redis.from_url(sys.argv[2]).execute_command(*sys.argv[3:]))
""",
}


def _stand_in(code: str) -> str:
    return f'exec "{sys.executable}" -c {shlex.quote(code)} "$@"\n'


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Stand-ins for installing: cicscenario is the one that is tested."""
    folder = tmp_path / "programs"
    folder.mkdir()
    bodies = {
        "cicscenario": f'exec "{sys.executable}" -m cicscenario "$@"\n',
        "python3": 'test "$*" = "-m venv .venv" && mkdir -p .venv/bin && ln -s "$(command -v pip)" .venv/bin/pip\n',
        "pip": 'test "$*" = "install --quiet CHECKOUT[sandbox]"\n',
    }
    bodies |= {name: _stand_in(code) for name, code in CLIENTS.items() if shutil.which(name) is None}
    for name, body in bodies.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("page", PAGES)
def test_each_command_does_what_the_page_says(page: str, tmp_path: Path, programs: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    if page in PREPARED:
        PREPARED[page](folder)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CICSCENARIO_HOME")}
    environment |= {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "140"}
    environment |= {
        f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    try:
        walk(read_page(DOCS / page), folder, environment, PAGES[page])
    finally:
        stack.down(folder / ".cicscenario", purge=True)


def upstream(folder: Path) -> None:
    """The files that the page takes from cic-stack."""
    file = load_environment_of_the_page(folder)
    keyfile = file.parent / next(line.split()[1] for line in file.read_text().splitlines() if "keyfile:" in line)
    keyfile.parent.mkdir(parents=True)
    keyfile.write_text("{}")
    (file.parent / "writer.asc").write_text("not read before the services answer")


def earlier_work(folder: Path) -> None:
    """A repository whose main branch has one scenario, as a merge request finds it."""
    (folder / "scenarios").mkdir()
    (folder / "scenarios" / "old.yaml").write_text(small_scenario("none").replace("name: small", "name: old"))
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in ("init -q", "add .", "commit -qm first", "update-ref refs/remotes/origin/main HEAD"):
        subprocess.run([*git, *words.split()], cwd=folder, check=True)


def list_of_people(folder: Path) -> None:
    """A CSV file of people, with a column that is not read."""
    rows = [f"Name {number},{('female', 'male')[number % 2]},Shop,Miyani" for number in range(40)]
    (folder / "people.csv").write_text("\n".join(["name,gender,occupation,place", *rows]))


def load_environment_of_the_page(folder: Path) -> Path:
    ((name, text),) = read_page(DOCS / "docker-compose.md").files.items()
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_the_environment_file_for_docker_compose_has_the_ports_of_its_table(tmp_path: Path) -> None:
    where = load_environment(load_environment_of_the_page(tmp_path))
    rows = [
        line.split("|")
        for line in (DOCS / "docker-compose.md").read_text("utf-8").splitlines()
        if line.startswith("| `")
    ]
    ports = {row[1].strip(" `"): row[3].strip() for row in rows}
    assert where.custodial
    assert where.ussd
    assert where.accounts
    assert where.meta
    assert ports == {
        "chain": "63545",
        "custodial": where.custodial.broker.partition(":63")[0] and "63379",
        "ussd": where.ussd.url.rpartition(":")[2],
        "accounts": str(where.accounts.port),
        "meta": where.meta.url.rpartition(":")[2],
    }


#: What is there before a page is walked.
PREPARED = {"docker-compose.md": upstream, "people.md": list_of_people, "recipes.md": earlier_work}


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_no_command_of_ours_hides_where_it_is_not_run(page: Path) -> None:
    blocks = page.read_text("utf-8").split(f"```{ELSEWHERE}\n")[1:]
    assert not [block for block in blocks if "cicscenario " in block.partition("```")[0].replace("'cicscenario ", "")]
    if "```sh\n" in page.read_text("utf-8"):
        assert page.name in PAGES


def test_a_command_that_ends_otherwise_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "`a/b.yaml`:\n\n```yaml\nx: 1\n```\n\n```sh\ncat a/b.yaml\nfalse # exit code 1\n```\n\n```text\nx:   ...\n```\n"
    )
    found = read_page(page)
    assert found.files == {"a/b.yaml": "x: 1\n"}
    walk(found, tmp_path, os.environ, 20)
    for wrong in (CommandBlock(["false"]), CommandBlock(["true # exit code 3"]), CommandBlock(["echo y"], ["x"])):
        found.blocks[:] = [wrong]
        with pytest.raises(AssertionError):
            walk(found, tmp_path, os.environ, 20)
    assert unprinted(["a ... c", "b", "c b"], "a  b  c\nab c") == ["c b"]
