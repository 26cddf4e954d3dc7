"""Call a model and read its bill."""
