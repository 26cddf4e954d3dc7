"""The command `adaptive-reasoner demo`: collect, solve, train, answer and report on a local model.

It holds the model's server, arithmetic questions, their prompts and the graph that answers them.
"""
