"""Cases that once failed, shrunk: each is run as a test."""

from tests.soak.faults import Fault, Kind
from tests.soak.seeds import Case

KNOWN: tuple[Case, ...] = (
    # An emptied Redis shows no request of a person whose account the engine has made: it was counted as none.
    Case(85, "cic_ussd", 49, (Fault(266, Kind.EMPTIED),), confirmations=2),
    Case(40014, "cic_ussd", 15, (Fault(378, Kind.EMPTIED),)),
    Case(40046, "cic_ussd", 25, (Fault(368, Kind.BROKEN), Fault(735, Kind.EMPTIED))),
    # A chain that went back carried out payments in another order: one that was to be refused succeeded.
    Case(1115, "eth_traffic", 18, (Fault(415, Kind.REORG, 3),)),
    # It had the payments again before the gifts, so that they failed; only those of the signer were looked at again.
    Case(1157, "eth_traffic", 6, (Fault(391, Kind.REORG, 7),)),
    # The chain went back before the gifts, which came again after the payments: those were looked for from the first gift on.
    Case(
        18, "cic_eth_traffic", 45, (Fault(365, Kind.SET_BACK, 36), Fault(729, Kind.KILL), Fault(793, Kind.SET_BACK, 17))
    ),
    # The disk failed while what was undone was taken back: the rest of it never was, and the run waited without end.
    Case(1468, "eth_traffic", 49, (Fault(453, Kind.BROKEN), Fault(466, Kind.REORG, 8)), confirmations=2),
)
