"""The commands: each turns its options into one call, and the result into text and an exit code."""
