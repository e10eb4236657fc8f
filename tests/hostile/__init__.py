"""Every service with every fault, through a proxy: ``python -m tests.hostile``."""
