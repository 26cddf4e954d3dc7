"""Free text: compared by meaning, with an encoder or by a model."""
