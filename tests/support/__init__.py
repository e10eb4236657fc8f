"""What tests share: servers and sandboxes to test against, commands to run, and records of other programs.

Import it as ``tests.support``: nothing else of this folder can be imported by name.
"""
