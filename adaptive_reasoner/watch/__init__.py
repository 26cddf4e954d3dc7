"""A live page of a running ledger."""
