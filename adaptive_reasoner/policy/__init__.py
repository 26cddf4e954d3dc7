"""Which action a question deserves, at a price of compute."""
