"""A second answer to some questions, off the user's path, to show what the first ones save.

A share of the answers is compared with those of a reference action by a judge who knows neither.
"""
