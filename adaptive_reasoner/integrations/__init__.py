"""What people put into their programs: a LangGraph node, agent middleware, a chat model, telemetry."""
