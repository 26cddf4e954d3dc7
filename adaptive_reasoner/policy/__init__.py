"""Policies: which action to take for a question at a price of compute.

A policy is learned (read from a policy folder, whose files are checked here), label-free, or fixed.
"""
