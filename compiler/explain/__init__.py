"""Explain: derivations, stages, families and pictures, printed for people and as JSON."""
