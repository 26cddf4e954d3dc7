"""One question from its decision to its bill: decide, reserve, run, settle.

It connects policy, ledger and strategy; the integrations call it.
"""
