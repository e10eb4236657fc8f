"""A deliberate break, as it is written in a YAML file of this folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]


@dataclass(frozen=True)
class Mutation:
    """``was`` is text that occurs once in ``file``; ``becomes`` replaces it. One of ``killed_by`` must fail then."""

    subject: str  #: name of the YAML file, without its ending
    fault: str  #: what would go wrong, in a sentence
    file: str  #: path in the project, with slashes
    was: str
    becomes: str
    killed_by: tuple[str, ...]  #: pytest's names of tests
    strikes: tuple[str, ...] = ()  #: the kinds of faults of ``tests.soak`` against which the defence is broken

    def problem(self, project: Path = PROJECT) -> str | None:
        """Why this cannot be made as it is written; None when it can."""
        path = project / self.file
        found = path.read_text("utf-8").count(self.was) if path.is_file() else None
        if found != 1:
            return f"`was` occurs {found} times in {self.file}" if path.is_file() else f"there is no {self.file}"
        if self.was == self.becomes:
            return "`was` and `becomes` are the same"
        for name in self.killed_by:
            file, _, function = name.partition("::")
            text = (project / file).read_text("utf-8") if (project / file).is_file() else ""
            if f"def {function.partition('[')[0].rpartition('::')[2]}(" not in text:
                return f"there is no test {name}"
        return None if self.killed_by else "`killed_by` names no test"

    def make(self, project: Path) -> None:
        path = project / self.file
        path.write_text(path.read_text("utf-8").replace(self.was, self.becomes), "utf-8")


def mutations(folder: Path = HERE) -> Iterator[Mutation]:
    """All that are written down, in the order of the files' names. Raises TypeError when a key is missing or unknown."""
    for path in sorted(folder.glob("*.yaml")):
        for each in yaml.safe_load(path.read_text("utf-8")) or []:
            lists = {key: tuple(each[key]) for key in ("killed_by", "strikes") if key in each}
            yield Mutation(path.stem, **(each | lists))
