// @ts-check
// How words and symbols are told apart, the same for the index that the build makes and for what a reader types.
(() => {
  "use strict";
  const COMMON = new Set(("a an and are as at be been but by can do does for from has have how if in into is it its more no not of on one " +
    "or so than that the their them then there these they this to was we what when where which who why with you").split(" "));
  /** @type {Record<string, string>} */
  const GREEK = {
    α: "alpha", β: "beta", γ: "gamma", δ: "delta", ε: "epsilon", ζ: "zeta", η: "eta", θ: "theta", κ: "kappa", λ: "lambda", μ: "mu", ν: "nu",
    ξ: "xi", π: "pi", ρ: "rho", σ: "sigma", τ: "tau", φ: "phi", χ: "chi", ψ: "psi", ω: "omega", Δ: "delta", Σ: "sigma", Φ: "phi", Ω: "omega",
  };
  const WORD = /[\p{L}\p{N}][\p{L}\p{N}_^{}.'’-]*/gu;
  const JOINT = /[_^{}.'’-]+/gu;

  /**
   * The words of a text. What is put together, as "k-hop", "W_K^1" or "ih.order", counts as a whole and in its parts.
   * @param {string} text
   */
  function tokenize(text) {
    const plain = text.replace(/[\\]/g, "").replace(/[αβγδεζηθκλμνξπρστφχψωΔΣΦΩ]/gu, (letter) => ` ${GREEK[letter]} `.trim());
    return [...plain.matchAll(WORD)].flatMap(([word]) => {
      const parts = word.split(JOINT).filter(Boolean);
      return parts.length > 1 ? [parts.join(""), ...parts] : parts;
    });
  }

  /**
   * A word as the index has it: small, singular; none for those that are everywhere, and for a lone letter.
   * @param {string} word
   */
  function processTerm(word) {
    const small = word.toLowerCase();
    if (small.length < 2 || COMMON.has(small)) return null;
    if (small.length > 4 && small.endsWith("ies")) return `${small.slice(0, -3)}y`;
    return small.length > 3 && /[^sui]s$/u.test(small) ? small.slice(0, -1) : small;
  }

  globalThis.mechbookSearch = {
    options: {
      fields: ["title", "page", "terms", "text"],
      storeFields: ["title", "page", "address", "anchor", "text", "weight"],
      tokenize, processTerm,
    },
    ask: {
      boost: { title: 4, page: 3, terms: 2, text: 1 },
      prefix: (/** @type {string} */ term) => term.length > 2,
      fuzzy: (/** @type {string} */ term) => (term.length > 5 ? 0.2 : false),
      weights: { fuzzy: 0.2, prefix: 0.4 },
    },
  };
})();
