"""An OpenAI-compatible server: any HTTP client gets a policy, a budget and a ledger.

`adaptive_reasoner.server.application.app` makes the application; `adaptive-reasoner serve` runs it.
"""
