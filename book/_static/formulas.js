// A displayed formula that is wider than its place, as on a phone, is set smaller; below SMALLEST it scrolls instead.
(() => {
  "use strict";
  const SMALLEST = 0.55;
  const ROUNDING = 0.99;

  // A formula's width is its place's: it changes with the window, and when a folded part opens.
  const seen = new WeakMap();
  const watch = new ResizeObserver((entries) => {
    const moved = entries.map(({ target }) => target).filter((formula) => seen.get(formula) !== formula.clientWidth);
    // All are put back, then all are measured, then all are set: the page is laid out once and not for each.
    for (const formula of moved) formula.style.removeProperty("--mb-fit");
    const shares = moved.map((formula) => formula.clientWidth / formula.scrollWidth);
    moved.forEach((formula, index) => {
      seen.set(formula, formula.clientWidth);
      const share = shares[index];
      if (share > 0 && share < 1) formula.style.setProperty("--mb-fit", String(Math.max(SMALLEST, share * ROUNDING)));
    });
  });
  for (const formula of document.querySelectorAll('mjx-container[display="true"]')) watch.observe(formula);

  // What is far from the screen is not drawn, so no browser asks for its fonts: paper would show others, and so would the
  // first glance at a formula that is neared.
  const fetchFonts = () => {
    for (const face of document.fonts) {
      const name = /^"?MJX(ZERO|TEX[\w-]*)/.exec(face.family)?.[1];
      if (name && (name === "ZERO" || name === "TEX" || document.querySelector(`mjx-container .${name}`))) face.load();
    }
  };
  if (document.querySelector("mjx-container")) window.addEventListener("load", fetchFonts);
})();
