"""F = sum_k a_k C_k(x/2) with Gegenbauer polynomials of an order: Legendre at 1/2, Chebyshev's second kind at 1.

The order is a constant, since every order has the same functions, all polynomials, in other coordinates; a learned one
would be redundant. `of_order` declares another.
"""

import sympy as sp

from learnact.compiler.declare.basis import Basis, Feature, LinearFit, slope_of
from learnact.compiler.declare.polynomials import at_scale
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x


def of_order(order: sp.Expr | int, name: str) -> Family:
    """The family of an order above 0, a number; `name` is the family's."""
    order = sp.sympify(order, strict=True)

    def polynomial(k: int) -> sp.Expr:
        return sp.polys.orthopolys.gegenbauer_poly(k, order, x / 2)

    def recurrence(n: int) -> tuple[Feature, ...]:
        """k c_k = (k + order - 1) x c_{k-1} - (k + 2 order - 2) c_{k-2}, c_k' = (k + order - 1) c_{k-1} + c_{k-2}'."""
        c = [sp.Symbol(f"c{k}", real=True) for k in range(n + 1)]
        steps = [Feature(c[0], sp.S.One, sp.S.Zero), Feature(c[1], order * x, order)]
        for k in range(2, n + 1):
            value = (k + order - 1) / k * x * c[k - 1] - (k + 2 * order - 2) / k * c[k - 2]
            slope = (k + order - 1) * c[k - 1] + (slope_of(c[k - 2]) if k > 2 else 0)
            steps.append(Feature(c[k], value, slope))
        return tuple(steps)

    def balanced(n, law):
        weights = [gain * sp.Rational((-1) ** (k // 2), sp.factorial(k)) for k in range(1, n + 1)]
        return {"coefficients": at_scale(polynomial, [gain * shift, *weights], law.sigma)}

    return Family(
        name=name,
        title=f"Gegenbauer polynomial of order {order}",
        formula=f"sum_{{k=0..n}} coefficients_k C_k(x/2), C_k of order {order}",
        parameters={"coefficients": lambda n: n + 1},
        function=lambda p, n: sum(a * polynomial(k) for k, a in enumerate(p.coefficients)),
        basis=Basis(recurrence, weights=lambda p, n: p.coefficients),
        starts={"balanced": Start(balanced, note="signs + - - + over k!")},
        fit=LinearFit(
            features=lambda n, law: [polynomial(k) for k in range(n + 1)],
            values=lambda n, law, solution: {"coefficients": solution},
        ),
        domain="|x| <= 2, where |C_k(x/2)| <= C_k(1); grows like |x|^n outside",
        reference="Szego 1939, chapter 4",
    )


gegenbauer = of_order(1, "gegenbauer")
