"""Reads and writes the files of the old data-seeding tools."""
