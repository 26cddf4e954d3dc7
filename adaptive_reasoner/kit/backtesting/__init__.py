"""What a policy is compared with, and how a gain is measured honestly."""
