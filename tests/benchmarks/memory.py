"""Memory of processes."""

from pathlib import Path


def peak_memory(pid: int) -> float:
    """Peak resident memory of a process in MiB; 0 when it has just gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), default=0.0)
