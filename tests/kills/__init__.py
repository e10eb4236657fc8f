"""A campaign of kills: ``python -m tests.kills --cases 1000``."""
