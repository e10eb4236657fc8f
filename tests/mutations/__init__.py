"""Deliberate breaks of the product's defences, each with the tests that must turn red.

``python -m tests.mutations`` makes each break in a copy of the project and runs its tests there. The breaks are in the YAML
files of this folder, one list per subject.
"""
