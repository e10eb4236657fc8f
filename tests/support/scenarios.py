"""Scenario files for tests."""

from pathlib import Path


def written(folder: Path, name: str = "a", **keys: str) -> Path:
    """A scenario of five people in ``folder``, with more keys as YAML."""
    lines = {"version": "1", "name": name, "population": "{size: 5, seed: 1}"} | keys
    path = folder / f"{name}.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
    return path
