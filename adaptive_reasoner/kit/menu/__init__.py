"""What is sampled and chosen among: sources, actions, prices, graders."""
