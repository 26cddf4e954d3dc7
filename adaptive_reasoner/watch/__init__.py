"""A web page that shows a running ledger.

A server on this machine reads the ledger every second and answers with the page and its JSON.
"""
