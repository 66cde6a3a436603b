"""Fitted starts: the parameter values at which an activation is closest to a classical one, in value and slope."""
