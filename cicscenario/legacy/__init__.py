"""Files that bring people: those of the old data-seeding tools, read and written, and tables of people (CSV), read."""
