"""Expressions in values, ``{{ }}``: where there are any, and what may be wrong with them. ``template`` computes them."""

from cicscenario.shell import variables as shell_variables


class ExpressionError(Exception):
    """An expression that cannot be computed. Its text never holds a value of the environment."""


class UndefinedNameError(ExpressionError):
    """An undefined name."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class EnvironmentVariables(dict[str, str]):
    """The variable ``env`` of environment files: a copy of the shell's variables."""

    def __init__(self) -> None:
        super().__init__(shell_variables)


def has_expression(text: str) -> bool:
    return "{{" in text or "{%" in text or "{#" in text
