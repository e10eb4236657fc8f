"""The types of declarations (backend, step, check, metadata kind), the context they run in, and helpers that they share."""
