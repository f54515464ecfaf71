"""Prospects: who will take a product that they never held."""
