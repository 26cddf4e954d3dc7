"""A second answer to some questions, off the user's path, to show what the first ones save.

A judge compares a share of the answers with those of a reference action, and does not know which is which.
"""
