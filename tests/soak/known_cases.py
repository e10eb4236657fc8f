"""Cases that once failed, shrunk: each is run as a test."""

from tests.soak.faults import Fault, Kind
from tests.soak.seeds import Case

KNOWN: tuple[Case, ...] = (
    # An emptied Redis shows no request of a person whose account the engine has made: it was counted as none.
    Case(85, "cic_ussd", 49, (Fault(266, Kind.EMPTIED),), confirmations=2),
    Case(40014, "cic_ussd", 15, (Fault(378, Kind.EMPTIED),)),
    Case(40046, "cic_ussd", 25, (Fault(368, Kind.BROKEN), Fault(735, Kind.EMPTIED))),
)
