"""An OpenAI-compatible server: whoever speaks HTTP gets a policy, a budget and a ledger.

`adaptive_reasoner.server.application.app` makes the application; `adaptive-reasoner serve` runs it.
"""
