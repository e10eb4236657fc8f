"""A service that answers nobody is not asked for everybody, and one that answers somebody is asked again."""

from cicscenario.errors import UnavailableError
from cicscenario.services.circuit import CircuitBreaker


def test_it_opens_after_so_many_failures_in_a_row_and_tells_the_last() -> None:
    circuit = CircuitBreaker(3)
    errors = [UnavailableError(f"error {number}") for number in range(4)]
    for error in errors[:2]:
        circuit.failed(error)
        assert circuit.open is None
    for error in errors[2:]:
        circuit.failed(error)
        assert circuit.open is error


def test_an_answer_closes_it() -> None:
    circuit = CircuitBreaker(2)
    for _ in range(3):
        circuit.failed(UnavailableError("silent"))
    circuit.succeeded()
    circuit.failed(UnavailableError("silent again"))
    assert circuit.open is None
