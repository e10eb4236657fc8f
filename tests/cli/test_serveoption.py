"""``--serve`` may be given a port, and need not be."""

import pytest

from cicscenario.cli.serveoption import with_port


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("a.yaml --serve", "a.yaml --serve 0"),
        ("a.yaml --serve 8000", "a.yaml --serve 8000"),
        ("--serve a.yaml --json", "--serve 0 a.yaml --json"),
        ("a.yaml --serve --json", "a.yaml --serve 0 --json"),
        ("a.yaml --serve=8000", "a.yaml --serve=8000"),
        ("a.yaml", "a.yaml"),
        ("-- a.yaml --serve", "-- a.yaml --serve"),
    ],
)
def test_the_port_may_be_left_out(given: str, meant: str) -> None:
    assert with_port(given.split()) == meant.split()
