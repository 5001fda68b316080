"""Pixels to pixels: each module is one act on pictures, and none of them knows a model, a request or Ray."""
