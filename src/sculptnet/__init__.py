"""SculptNet: measure a device, search a ConvNet that fits it, train it, ship it."""

__version__ = "0.1.0"
