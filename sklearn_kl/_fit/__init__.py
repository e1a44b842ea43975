"""How a fit runs: training, the objective, its certificate, and the report to the user."""
