"""Displays: computed by from_estimator and from_predictions, drawn by plot."""
