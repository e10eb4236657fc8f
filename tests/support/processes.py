"""What the kernel knows of processes: open files, open ports, free ports."""

import contextlib
from pathlib import Path


def open_files(pid: int | None) -> set[str]:
    """What a process holds open: paths, and ``socket:[inode]``."""
    held = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # one that has just been closed
            held.add(str(link.readlink()))
    return held


def listens_at(pid: int | None) -> list[str]:
    """The addresses at which a process accepts TCP connections, a line of /proc/net each: ``0100007F`` is 127.0.0.1."""
    held = open_files(pid)
    rows = [row.split() for table in ("tcp", "tcp6") for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return [row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in held]  # 0A: LISTEN
