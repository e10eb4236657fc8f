"""The page of a run while it is under way: the same as its report, from the run directory, for browsers of this machine."""
