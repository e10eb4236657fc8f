"""The sandbox's metadata server, which answers clients as cic-meta does: it stores and merges signed documents by pointer.

The real server is ``apps/cic-meta`` of cic-stack, with ``@cicnet/crdt-meta`` 0.0.10 and Automerge 0.14. ``python -m
cicscenario.sandbox.meta`` runs this one.
"""
