"""The figures of the profiles that are shipped."""

from functools import cache

from cicscenario.errors import InvalidError
from cicscenario.language.profiles import load_profile
from cicscenario.payments.figures import PaymentFigures, figures_of
from cicscenario.payments.spec import UNIFORM
from cicscenario.resources import profile_names, profile_path


@cache
def shipped_figures(name: str) -> PaymentFigures | None:
    """The figures of a profile that is shipped, by its name; None for ``uniform``. Raises InvalidError for an unknown name."""
    if name == UNIFORM:
        return None
    path = profile_path(name)
    if path is None:
        names = ", ".join(f"`{each}`" for each in (UNIFORM, *profile_names()))
        raise InvalidError(f"there are no payments like those of {name}", hint=f"expected one of {names}")
    return figures_of(load_profile(path))
