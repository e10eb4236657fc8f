"""Fees that cannot be paid together are an error of the environment file, at the place of the key."""

from pathlib import Path

import pytest

from cicscenario.language import DiagnosticsError, load_environment

TEXT = """version: 1
name: place
chain:
  rpc: http://127.0.0.1:9
  spec: evm:london:8996
  registry: "0xea6225212005e86a4490018ded4bf37f3e772161"
  signer: {{private_key: "file:key"}}
{fees}"""
FIRST = 8  # the line of the first fee


def written(folder: Path, fees: str) -> Path:
    path = folder / "place.yaml"
    path.write_text(TEXT.format(fees=fees))
    return path


@pytest.mark.parametrize(
    ("fees", "told"),
    [
        ("  gas_price: 0\n  max_fee_per_gas: 5\n", [(1, "`chain.max_fee_per_gas` is for transactions of EIP-1559")]),
        ("  max_priority_fee_per_gas: 0\n  gas_price: 7\n", [(0, "and `chain.gas_price` makes them legacy ones")]),
        (
            "  gas_price: 7\n  max_fee_per_gas: 5\n  max_priority_fee_per_gas: 6\n",
            [(1, "`chain.max_fee_per_gas`"), (2, "`chain.max_priority_fee_per_gas`")],
        ),
        ("  max_fee_per_gas: 5000\n  max_priority_fee_per_gas: 5001\n", [(1, "is 5,001 wei, more than")]),
        ("  max_priority_fee_per_gas: 1\n  max_fee_per_gas: 0\n", [(0, "which is 0 wei")]),
    ],
)
def test_two_fees_that_contradict_each_other(tmp_path: Path, fees: str, told: list[tuple[int, str]]) -> None:
    with pytest.raises(DiagnosticsError) as caught:
        load_environment(written(tmp_path, fees))
    problems = caught.value.diagnostics
    assert [problem.line - FIRST for problem in problems] == [line for line, _ in told]
    for problem, (_, said) in zip(problems, told, strict=True):
        assert problem.code == "S015"
        assert said in problem.message
        assert problem.expected


@pytest.mark.parametrize(
    "fees",
    [
        "",
        "  gas_price: 7\n",
        "  gas_price: 7\n  max_gas_price: 9\n",
        "  max_fee_per_gas: 5\n  max_priority_fee_per_gas: 5\n",
        "  max_fee_per_gas: 0\n",
        "  max_priority_fee_per_gas: 9\n",
    ],
)
def test_fees_that_go_together(tmp_path: Path, fees: str) -> None:
    assert load_environment(written(tmp_path, fees)).chain


def test_a_value_that_is_no_fee_has_one_error_only(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticsError) as caught:
        load_environment(written(tmp_path, "  gas_price: 7\n  max_fee_per_gas: high\n"))
    assert [problem.code for problem in caught.value.diagnostics] == ["S011"]
