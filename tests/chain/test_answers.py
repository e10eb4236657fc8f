"""The forms that results have; what has another one is no answer, and the call is repeated."""

from typing import Any

import pytest

from cicscenario.chain.answers import NotAnsweredError, answers
from cicscenario.chain.nodes import Node

NODE = Node("http://fake.example", 100)


def answer(result: Any) -> Any:
    return answers([("eth_call", [{"to": "0x00"}, "latest"])], [1], {"id": 1, "result": result}, NODE)[0]


@pytest.mark.parametrize("result", ["0x", "0x00", "0xAbcd"])
def test_what_a_contract_returns_is_hexadecimal(result: str) -> None:
    assert answer(result) == result


@pytest.mark.parametrize(
    "result", ["", "00", "0x0", "0xabc", "0x0g", "0x00\n", "0x 0", "0x_0", "0X00", None, 1, ["0x00"]]
)
def test_and_of_whole_bytes(result: Any) -> None:
    assert isinstance(answer(result), NotAnsweredError)
