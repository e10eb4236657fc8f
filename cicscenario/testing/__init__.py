"""The pytest plugin: stacks that are filled by scenarios, for tests of other projects."""
