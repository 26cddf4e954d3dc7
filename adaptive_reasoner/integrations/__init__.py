"""The parts that users put into their programs: LangGraph nodes, agent middleware, a chat model.

The sample log, which records replies for the offline half, and the telemetry are here too.
"""
