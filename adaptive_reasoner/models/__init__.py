"""Call a model and read what the call cost.

A source says how a model is called, the executor sends the calls of a round, and a meter turns the usage of
each reply into a cost, or bounds it before the call.
"""
