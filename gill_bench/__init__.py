"""gill-bench: how well does a model use the context it is given?"""

__version__ = "0.1.0"
