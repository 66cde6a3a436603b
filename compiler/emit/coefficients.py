"""Coefficients of the polynomials in elementary.py.jinja, the highest power first; each is a float32 number.

`python -m benchmarks.coefficients` says of what, derives them again by the Remez exchange and prints their errors.
"""

TANH = (-0.005648322, 0.020589832, -0.05372513, 0.13331275, -0.33333275)
TANH = (-0.005648322, 0.020589832, -0.05372513, 0.13331275, -0.33333275)
ERF = (-0.00063216686, 0.005052166, -0.026803156, 0.112827316, -0.37612572, 0.12837917)
ERFC = (0.0013142077, -0.01605508, 0.0925158, 0.6487334, 1.1216061, 0.001491287)
ATANH = (0.28011954, 0.28001812, 0.40021527, 0.6666642)
