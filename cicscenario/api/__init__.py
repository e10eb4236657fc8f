"""The Python interface: scenarios are loaded, planned, run and verified. The command line uses it, too."""
