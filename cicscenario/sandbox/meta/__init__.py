"""cic-meta's metadata server, as an importer or a verifier meets it: signed documents that merge, kept by pointer.

The real server is ``apps/cic-meta`` of cic-stack, on ``@cicnet/crdt-meta`` 0.0.10 and Automerge 0.14. ``python -m
cicscenario.sandbox.meta`` runs this one.
"""
