"""A simulated world: the product runs in it unchanged, with simulated threads, time, disk and services, from one seed."""
