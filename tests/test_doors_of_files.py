"""Files are written by ``files``, inputs read by ``inputs``, JSON parsed by ``jsontext``, and the wall clock is no stopwatch."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "cicscenario"
MODULES = sorted(PACKAGE.rglob("*.py"))

#: Functions that create files or folders, or write into them.
WRITE = frozenset({
    "write_text", "write_bytes", "touch", "mkdir", "makedirs", "mkstemp", "mkdtemp", "NamedTemporaryFile", "copytree",
    "copyfile", "copy2", "hardlink_to", "mkfifo",
})  # fmt: skip
READ = frozenset({"read_text", "read_bytes"})
#: ``open`` of the builtins, of os, and of a path, also to write.
OPEN = "open"

#: What a module may do by itself, and why.
ALLOWED = {
    "files.py": WRITE | {OPEN},
    "unfinished.py": {"mkstemp", "mkdtemp", OPEN},  # temporary files, into which `files` writes
    "inputs.py": {OPEN},
    "cli/boundary.py": {OPEN},  # the null device
    "cli/surroundings.py": {OPEN},  # the standard streams
    "cli/stacklogs.py": {OPEN},  # a log of the sandbox, which grows
    "state/database.py": {OPEN, "read_text"},  # the state, which SQLite writes; the package's own schema
    "testing/plugin.py": {"mkdir"},  # of the cache of pytest
    "state/lock.py": {"mkdir"},  # a folder in one that other users share: what is there is checked, not mended
    "state/salvage.py": {"copyfile"},  # into a temporary folder
    # Files of the package itself:
    "resources.py": {"read_text"},
    "services/ussd_screens.py": {"read_text"},
    "report/html.py": {"read_text"},
    "review/rooms.py": {"read_text"},
    "review/picture.py": {"read_text"},
    "review/concept.py": {"read_text"},
    "cli/newfile.py": {"read_text"},
}
#: The sandbox reads the files that it has made. Servers of other makers write in folders of its own.
ALLOWED_IN_THE_SANDBOX = READ | {"mkdir"}
SANDBOX_MORE = {
    "sandbox/daemon.py": {OPEN},
    "sandbox/watchdog.py": {OPEN},  # locks, to read
    "sandbox/outside.py": {"mkdtemp"},
    "sandbox/services/postgres.py": {"NamedTemporaryFile", "copytree"},
    "sandbox/space.py": {OPEN},  # the end of a log
    "sandbox/packages.py": {OPEN},  # an archive in memory
}
#: Wall clock: what time it is, for people and for other machines. How long something takes is ``time.monotonic``.
WALL_CLOCK = {
    "services/meta.py",  # the time that an entry tells
    "services/custodial/workers.py",  # when a question to another machine is void
    "checks/work/balance.py",  # how long a token has decayed
    "sandbox/node/chain.py",  # the time of a block
    "sandbox/node/program.py",
    "sandbox/meta/operations.py",
    "sandbox/custodial/intake.py",  # when a task was fetched, which kombu of another process reads
    "sandbox/custodial/message.py",  # when a task may run
    "sandbox/custodial/taskprocess.py",  # when it began, for Celery's remote control
}


def calls(module: Path) -> Iterator[tuple[str, ast.Call]]:
    """The name of each function that is called, without what is before the dot."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                yield function.id, node
            elif isinstance(function, ast.Attribute):
                yield function.attr, node


def opens_a_file(call: ast.Call) -> bool:
    """Whether a call of something named ``open`` opens a file, and not a service or a context."""
    function = call.func
    if isinstance(function, ast.Name) or (isinstance(function.value, ast.Name) and function.value.id in ("os", "io")):  # type: ignore[attr-defined]
        return True
    texts = [part for part in call.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return bool(texts) or {keyword.arg for keyword in call.keywords} & {"encoding", "mode", "fileobj"} != set()


def file_work(module: Path) -> set[str]:
    found = {name for name, _ in calls(module)} & (WRITE | READ)
    return found | {OPEN for name, call in calls(module) if name == OPEN and opens_a_file(call)}


def name_of(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def alone(module: Path) -> set[str]:
    """What a module does with files by itself, and may not."""
    name = name_of(module)
    allowed = set(ALLOWED.get(name, ()))
    if name.startswith("sandbox/"):
        allowed |= ALLOWED_IN_THE_SANDBOX | SANDBOX_MORE.get(name, set())
    return file_work(module) - allowed


def with_text(pattern: str) -> set[str]:
    """The modules whose text has the pattern."""
    return {name_of(module) for module in MODULES if re.search(pattern, module.read_text("utf-8"))}


def test_files_are_opened_and_written_in_one_place() -> None:
    found = {name_of(module): alone(module) for module in MODULES}
    assert {name: work for name, work in found.items() if work} == {}, "use `files` to write, and `inputs` to read"


def test_json_is_parsed_in_one_place() -> None:
    """The sandbox's metadata server does it as JavaScript does."""
    assert with_text(r"(?<!js)json\.loads?\(|json\.JSONDecoder\(|\.json\(\)") == {
        "jsontext.py",
        "sandbox/meta/jsjson.py",
    }


def test_nothing_is_timed_by_the_wall_clock() -> None:
    assert with_text(r"\btime\.time\(|from time import") == WALL_CLOCK


def test_what_is_done_elsewhere_is_noticed(tmp_path: Path) -> None:
    module = tmp_path / "wrong.py"
    for line, found in {
        'open("a", "w")': {OPEN},
        'path.open("w")': {OPEN},
        'path.open(encoding="utf-8")': {OPEN},
        "os.open(path, os.O_CREAT)": {OPEN},
        'path.write_text("a")': {"write_text"},
        "path.parent.mkdir(parents=True)": {"mkdir"},
        "descriptor.open(context)": set(),
    }.items():
        module.write_text(line)
        assert file_work(module) == found, line
