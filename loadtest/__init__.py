"""An open-loop load generator for Scenewright. It imports nothing of the service: it knows its HTTP alone."""
