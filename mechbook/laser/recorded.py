"""What of chapter 5 is recorded: its claims on the papers' own models, which need weights from the model hub."""

from dataclasses import dataclass

from mechbook.laser import pretrained_run


@dataclass(frozen=True)
class ModelRecord:
    """The claims on one model, kept where `pretrained_run` keeps them, with their date, device and hash of weights."""

    model: str

    def standing(self) -> str:
        """How far it is, in words."""
        found = pretrained_run.stored().get(self.model)
        return "missing, needs weights from the model hub" if found is None else f"done ({found['date']})"

    def done(self) -> bool:
        """Whether there are results."""
        return self.model in pretrained_run.stored()

    def record(self) -> int:
        """Run the model and keep the results; the exit status."""
        return pretrained_run.main([self.model])


MODELS = {f"laser/{name}": ModelRecord(name) for name in pretrained_run.CLAIMS}
