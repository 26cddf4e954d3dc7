"""From samples to outcomes: what each action scores and costs.."""
