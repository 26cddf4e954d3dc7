"""Outcomes become a policy.

Questions are encoded, learners are cross-fitted and calibrated, the gate decides whether the imitator is
shipped, and the policy card describes it.
"""
