"""Questions and a menu become a samples file.

A work list says what is missing, samplers call the models within cap and rate, replies are graded, and rows
are appended to a file that survives a kill.
"""
