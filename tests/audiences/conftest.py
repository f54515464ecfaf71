"""The catalogue and the label files of the tests about labels."""

from tests.labels.conftest import catalogue, labels_of

__all__ = ["catalogue", "labels_of"]
