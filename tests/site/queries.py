"""What somebody may look for, and the page that is to come first: written before the search had answered any of it."""

ASSOCIATIVE, GRADIENTS, INDUCTION = (
    "book/01_associative_memories",
    "book/02_gradients_as_memories",
    "book/03_induction_heads",
)
NOISY, NOISE_THEORY, LASER = "book/04_noisy_recall", "book/04_where_the_noise_goes", "book/05_laser"
FACTS, HOPS, FOUND = "book/06_factual_recall", "book/07_khop_curriculum", "book/what_we_found"

FIRST = {
    "induction head": INDUCTION,
    "LASER": LASER,
    "noise token": NOISY,
    "associative memory": ASSOCIATIVE,
    "crosstalk": ASSOCIATIVE,
    "Zipf's law": ASSOCIATIVE,
    "Muon": ASSOCIATIVE,
    "gradient step": GRADIENTS,
    "LayerNorm": GRADIENTS,
    "trigger": INDUCTION,
    "W_K^2": INDUCTION,
    "order of learning": INDUCTION,
    "feed-forward noise": NOISY,
    "keeps the noise": NOISE_THEORY,
    "attention trap": LASER,
    "rank reduction": LASER,
    "hallucination": FACTS,
    "bits per parameter": FACTS,
    "curriculum": HOPS,
    "k-hop": HOPS,
    "log-depth": HOPS,
    "laser.cost": LASER,
    "ih.realistic": INDUCTION,
    "misprints": FOUND,
    "inducton heads": INDUCTION,
}
