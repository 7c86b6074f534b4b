// A displayed formula that is wider than its place, as on a phone, is set smaller; below SMALLEST it scrolls instead.
(() => {
  "use strict";
  const SMALLEST = 0.55;
  const ROUNDING = 0.99;

  const fit = (formula) => {
    const usual = (formula.dataset.fontSize ??= formula.style.fontSize || "100%");
    formula.style.fontSize = usual;
    const share = formula.clientWidth / formula.scrollWidth;
    if (share > 0 && share < 1) formula.style.fontSize = `calc(${usual} * ${Math.max(SMALLEST, share * ROUNDING)})`;
  };

  // A formula's width is its place's: it changes with the window, and when a folded part opens.
  const seen = new WeakMap();
  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (seen.get(target) === target.clientWidth) continue;
      seen.set(target, target.clientWidth);
      fit(target);
    }
  });

  window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    for (const formula of document.querySelectorAll('mjx-container[display="true"]')) watch.observe(formula);
  });
})();
