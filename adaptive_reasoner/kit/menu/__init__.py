"""A menu file becomes sources, actions, a grader and prices: what collection samples and policies choose."""
