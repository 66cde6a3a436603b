"""Coefficients of the polynomials in elementary.py.jinja, the highest power first; each is a float32 number.

`python -m benchmarks.coefficients` says of what, derives them again by the Remez exchange and prints their errors.
"""

TANH = (-0.005648314, 0.020589825, -0.053725127, 0.13331275, -0.33333275)
ERF = (-0.00063216814, 0.0050521684, -0.026803158, 0.112827316, -0.37612572, 0.12837917)
ERFC = (0.0013142116, -0.016055105, 0.09251586, 0.64873326, 1.1216061, 0.0014912739)
ERFCX = (
    0.03840103,
    -0.15892807,
    0.1814605,
    -0.027704367,
    0.08701742,
    0.14604305,
    0.15118584,
    0.1879025,
    0.19713834,
    0.19748378,
)
ATANH = (0.2801199, 0.28001806, 0.40021527, 0.6666642)
