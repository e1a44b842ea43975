"""The only importer of private scikit-learn names, so that an upgrade has one file to check."""

from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils._metadata_requests import RequestMethod
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import _check_sample_weight

__all__ = ["InvalidParameterError", "RequestMethod", "_BaseScorer", "_check_sample_weight"]
