"""Snapshots: a sandbox with its runs as one file, from which it is made again, here or under another home folder."""
