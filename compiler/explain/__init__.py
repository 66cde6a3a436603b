"""Explain: derivations, stages, families and pictures, shown to people and programs."""
