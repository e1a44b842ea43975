"""How certain the coefficients and probabilities of a fitted linear model are."""
