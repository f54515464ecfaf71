"""Behaviour groups: vectors, k-means, profiles, readable names, versioned models."""
