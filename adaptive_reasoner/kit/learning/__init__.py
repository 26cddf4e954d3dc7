"""Learning to predict what an action will do for a question, and whether the prediction may go out."""
