// A link into a page holds its place while what is above it takes its size, until the reader moves. So does the place
// where a reader was before a reload or a step back: what is not laid out yet has another height than it had.
(() => {
  "use strict";
  const article = document.querySelector("article.bd-article");
  if (!article) return;
  const KEY = `mechbook-place ${window.location.pathname}`;
  // Pixels by which a place goes away before somebody is taken to have moved it; milliseconds from the page's loading on
  // in which that is the browser, which goes to the link or back to a number; where one reads, from the window's top.
  const OFF = 150, BROWSER = 600, READS = [120, 160, 200, 260, 320, 400];
  const parts = () => [...article.querySelectorAll("section > :not(section)")];

  // What is held: a place where the reader was, so far from the window's top; otherwise what the link names by now.
  let place = null, wanted = 0, moved = false, loaded = false;
  // Where it stood, and the window, when it was last put right.
  let last = { target: null, top: 0, y: 0 };
  const target = () => place ?? document.getElementById(window.location.hash.slice(1));

  const hold = () => {
    const held = target();
    if (moved || !held) return;
    if (place) window.scrollBy({ top: held.getBoundingClientRect().top - wanted, behavior: "instant" });
    else held.scrollIntoView({ behavior: "instant" });
    last = { target: held, top: held.getBoundingClientRect().top, y: window.scrollY };
  };

  const remember = () => {
    const middle = article.getBoundingClientRect().left + article.clientWidth / 2;
    const all = parts();
    for (const y of READS) {
      const index = all.indexOf(document.elementFromPoint(middle, y)?.closest("section > :not(section)"));
      if (index < 0) continue;
      window.sessionStorage.setItem(KEY, JSON.stringify([index, all[index].getBoundingClientRect().top]));
      return;
    }
    window.sessionStorage.removeItem(KEY);
  };
  const back = () => {
    const [entry] = performance.getEntriesByType("navigation");
    const kept = window.sessionStorage.getItem(KEY);
    if (!kept || !["reload", "back_forward"].includes(entry?.type)) return;
    window.history.scrollRestoration = "manual";
    const [index, from] = JSON.parse(kept);
    [place, wanted] = [parts()[index] ?? null, from];
  };

  const act = () => { moved = true; };
  for (const kind of ["wheel", "touchstart", "pointerdown", "keydown"]) window.addEventListener(kind, act, { passive: true });
  // The bar at the window's side says nothing but that the page scrolls.
  window.addEventListener("scroll", () => {
    const held = target();
    if (moved || !held || held !== last.target) return;
    const now = held.getBoundingClientRect().top;
    if (Math.abs(now - wanted) - Math.abs(last.top - wanted) < OFF) return;
    if (!loaded) hold();
    else if (Math.abs(now - last.top + window.scrollY - last.y) < 5) moved = true;
  }, { passive: true });
  window.addEventListener("load", () => setTimeout(() => { hold(); loaded = true; }, BROWSER));
  window.addEventListener("hashchange", () => { [place, wanted, moved] = [null, 0, false]; });
  window.addEventListener("pagehide", remember);
  new ResizeObserver(hold).observe(article);
  // Last, as it throws where a reader forbids pages to keep anything; links hold their places all the same.
  back();
})();
