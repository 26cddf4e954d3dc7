"""Samples become replayed votes in many orders; from their states a rule for stopping votes is learned."""
