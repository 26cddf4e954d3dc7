"""The main job, end to end, on a real local model: what `adaptive-reasoner demo` runs."""
