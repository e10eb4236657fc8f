"""The scenario language: files in, frozen models out, and errors that show their place."""

from cicscenario.language.diagnostic import Diagnostic, DiagnosticsError
from cicscenario.language.load import is_environment, load_environment, load_scenario
from cicscenario.language.model import (
    ChainEnvironment,
    Checks,
    Environment,
    EthBackend,
    Gift,
    Keystore,
    Population,
    Scenario,
    Signer,
)
from cicscenario.language.secret import Secret

__all__ = [
    "ChainEnvironment",
    "Checks",
    "Diagnostic",
    "DiagnosticsError",
    "Environment",
    "EthBackend",
    "Gift",
    "Keystore",
    "Population",
    "Scenario",
    "Secret",
    "Signer",
    "is_environment",
    "load_environment",
    "load_scenario",
]
