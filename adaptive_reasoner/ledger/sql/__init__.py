"""A ledger in a database: SQLite for one machine, PostgreSQL for many.

It holds the tables, the connections, the transactions that the rules run in, and a read-only view.
"""
