"""Ways to answer a question: single pass, votes, best of n, cascades, and the rules that stop a vote.

A strategy is a generator that yields requests and receives replies, so one body serves sync and async.
"""
