"""Coefficients of the polynomials in elementary.py.jinja, the highest power first; each is a float32 number.

`python -m benchmarks.coefficients` says of what, derives them again by the Remez exchange and prints their errors.
"""

TANH = (-0.005648314, 0.020589825, -0.053725127, 0.13331275, -0.33333275)
ERF = (-0.00063216814, 0.0050521684, -0.026803158, 0.112827316, -0.37612572, 0.12837917)
ERFC = (0.0013142116, -0.016055105, 0.09251586, 0.64873326, 1.1216061, 0.0014912739)
GELU = (
    -0.080520555,
    0.28276113,
    -0.31876335,
    0.14330074,
    -0.15285386,
    0.057139978,
    0.29163626,
    0.16963324,
    -1.2433935,
    1.25,
)
GELU_SLOPE = (
    -0.009441106,
    0.035318922,
    -0.03518415,
    0.00077584083,
    -0.026755363,
    0.042738535,
    0.16804743,
    -0.44163084,
    0.665078,
)
ATANH = (0.2801199, 0.28001806, 0.40021527, 0.6666642)
EXPM1 = (0.00020098363, 0.0014004183, 0.0083328225, 0.041665137, 0.16666669, 0.50000006)
GELU_ROOT = (0.7517915368080139, -1.211444988769017e-08)
"""Where the slope of GELU is 0, without the sign: a float32 number and what is left."""
