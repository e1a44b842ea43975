"""AnnotatorClassifier, and the parts of it."""
