"""What of chapter 1 is recorded at the `paper` preset: its searches for capacities, all seeds of one kind as one run.

A record has the capacities found. The chapter's claims are made on its page from whole results, so there is none in
`CLAIMS`: at the `paper` preset the chapter takes these runs from this machine's cache.
"""

from functools import partial

from mechbook.memories import capacity
from mechbook.memories.capacity import CapacitySettings, linear_settings, mlp_settings, outer_settings
from mechbook.memories.presets import MemoriesPreset
from mechbook.records.wanted import PaperClaim, PaperRun

CLAIMS: list[PaperClaim] = []


def runs(setup: MemoriesPreset) -> list[PaperRun]:
    """The searches of a preset: trained memories, which take the time, then outer products."""
    named = {
        "linear": linear_settings(setup),
        "mlp": mlp_settings(setup),
        "linear_shared": linear_settings(setup, shared=True),
        "mlp_shared": mlp_settings(setup, shared=True),
        "linear_patient": linear_settings(setup, patient=True),
        "outer": outer_settings(setup),
        "outer_shared": outer_settings(setup, shared=True),
    }
    return [
        PaperRun(
            name=f"memories/{name}",
            settings=spec,
            modules=(capacity.__name__,),
            steps=0,
            kind=name,
            curves=lambda result: ([], {}),
            final=partial(_capacities, spec),
            keeps_state=spec.training is not None,
        )
        for name, spec in named.items()
    ]


def _capacities(spec: CapacitySettings) -> dict[str, float]:
    result = spec.run()
    return {
        f"d {d}{'' if width is None else f', width {width}'}, seed {seed}": value
        for seed, row in enumerate(result.by_seed())
        for (d, width), value in zip(result.sizes(), row, strict=True)
    }
