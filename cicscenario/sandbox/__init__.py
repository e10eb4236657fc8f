"""A local stack that speaks the same protocols as a real one."""
