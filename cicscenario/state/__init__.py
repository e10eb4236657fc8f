"""The state of a run: one SQLite file, the directory that it is in, and their locks."""
