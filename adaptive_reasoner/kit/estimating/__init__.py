"""Samples become outcomes: unbiased accuracy and cost of single calls, votes and choices of the best."""
