"""How many examples a function is tried with: a few in `make test`, many in `make faults` or where EXAMPLES says so.

EXAMPLES=2000 .venv/bin/python -m pytest tests/fuzz -k hop_targets
"""

import os

from hypothesis import HealthCheck, Phase, settings

FEW = int(os.environ.get("EXAMPLES", "8"))
MANY = 25 * FEW

# derandomized: a build's tests are the same tests tomorrow; what is found stays in no file beside the sources
settings.register_profile(
    "mechbook",
    max_examples=FEW,
    derandomize=True,
    deadline=None,
    database=None,
    # calls are small as they are drawn: looking for smaller ones takes minutes
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("mechbook")
