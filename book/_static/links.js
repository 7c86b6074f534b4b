// A link into a page holds its place while pictures and widgets above it take their size, until the reader moves.
(() => {
  "use strict";
  let moved = false;
  const act = () => { moved = true; };
  for (const kind of ["wheel", "touchstart", "pointerdown", "keydown"]) window.addEventListener(kind, act, { passive: true });
  window.addEventListener("hashchange", () => { moved = false; });
  const hold = () => {
    if (!moved) document.getElementById(window.location.hash.slice(1))?.scrollIntoView({ behavior: "instant" });
  };
  const page = document.querySelector("article.bd-article");
  if (page) new ResizeObserver(hold).observe(page);
})();
