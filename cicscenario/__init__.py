"""One YAML file fills a whole Community Inclusion Currency stack with people, and proves that every one of them arrived.

In Python: ``cicscenario.load("scenarios/ussd-100.yaml").run()``; see docs/python.md.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cicscenario.api.people import Participant
    from cicscenario.api.planning import RunPlan
    from cicscenario.api.result import RunResult
    from cicscenario.api.running import Running
    from cicscenario.api.scenario import LoadedScenario, load

__version__ = "0.1.0"
__all__ = ["LoadedScenario", "Participant", "RunPlan", "RunResult", "Running", "__version__", "load"]

#: Where each name is. Its module is loaded when the name is first used, so that ``import cicscenario`` takes no time.
_MODULES = {
    "LoadedScenario": "scenario",
    "Participant": "people",
    "RunResult": "result",
    "RunPlan": "planning",
    "Running": "running",
    "load": "scenario",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.api.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
