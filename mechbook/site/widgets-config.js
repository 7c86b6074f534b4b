// @ts-check
// Where the widgets' runtime lies: beside this script, over http and in files alike.
(() => {
  "use strict";
  const own = /** @type {HTMLScriptElement} */ (document.currentScript);
  const here = (/** @type {string} */ name) => new URL(name, own.src).href;
  requirejs.config({
    paths: {
      anywidget: here("anywidget.js").slice(0, -3),
      // Each of its modules looks for the fonts of its styles beside where it believes itself to be.
      "@jupyter-widgets": here(".").slice(0, -1),
      "@jupyter-widgets/html-manager/dist": here(".").slice(0, -1),
    },
  });

  // The widget manager asks MathJax 2's queue for formulas; version 3, which the book has, knows a promise instead.
  /** @param {[name: string, object: unknown, element: Element][]} calls */
  const queue = (...calls) => {
    for (const [name, , element] of calls) {
      if (name === "Typeset") window.MathJax?.startup?.promise.then(() => window.MathJax?.typesetPromise([element]));
    }
  };
  const shim = () => {
    if (window.MathJax && !window.MathJax.Hub) window.MathJax.Hub = { Queue: queue, Config: () => {}, Configured: () => {} };
  };
  shim();
  document.addEventListener("DOMContentLoaded", shim);
  window.addEventListener("load", shim);
})();
