from ..runtime.unneeded_imports import skip_unneeded_imports

skip_unneeded_imports()
