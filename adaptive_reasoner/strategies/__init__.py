"""Ways to answer a question: each yields the calls it wants and is sent their replies."""
