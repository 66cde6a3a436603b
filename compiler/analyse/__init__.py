"""Analyse: what a fixed function does to signals under a law: gains, and the maps of length and correlation."""
