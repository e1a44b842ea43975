"""Coordinates in which a fit is nearly round: moments, whitening, curvature, the first layer."""
