"""The check ussd: the phone interface shows the screen that the account's state requires."""

from cicscenario.capabilities.check import ONE_BY_ONE, Check
from cicscenario.capabilities.remedy import MendedWith, Remedy, always
from cicscenario.checks import work
from cicscenario.connections import Service
from cicscenario.language import Condition, Scenario


def _known(scenario: Scenario) -> bool:
    """Whether the scenario determines the screen. For existing accounts, it must set both the PIN and the USSD data."""
    traits = scenario.backend.traits
    return traits.joins_by_phone or (traits.has_phone_accounts and scenario.pins is not None and scenario.ussd_data)


CHECK = Check(
    "ussd",
    "the phone interface shows the screen that it should",
    (
        Condition(
            _known,
            ("backend.kind", "pins", "ussd_data"),
            "when it is not known what the phone interface should show",
            "choose a backend whose people join by phone, or set both `pins` and `ussd_data`",
        ),
    ),
    lambda run: work.ussd.verifier(run),
    (Service.USSD,),
    lambda context: "a person who has used an active account since is shown where they stopped",
    remedy=Remedy(
        always(
            MendedWith(
                ("pins", "ussd_data"),
                "what the account table has is right, as far as it was asked; the phone interface has to be looked at",
            )
        )
    ),
    shows=("accounts", "pins", "ussd_data"),
    batch=ONE_BY_ONE,
)
