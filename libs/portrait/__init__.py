"""Portrait: the Spark jobs with which a retail bank knows its customers."""

__version__ = "0.1.0"
