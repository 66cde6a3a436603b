"""E[f(x)] under a law: a closed form where a rule gives one, else quadrature with an error estimate."""
