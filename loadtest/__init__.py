"""An open-loop load generator for Scenewright. It imports no code of the service, and uses only its HTTP."""
