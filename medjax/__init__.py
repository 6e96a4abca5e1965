"""medjax: medical image classification in JAX. Research use, not a medical device."""

__version__ = "0.1.0"
