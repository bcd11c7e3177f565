"""Deploys on the model of AWS: ours, the ways of others, and the bound that nothing can beat."""
