// @ts-check
// The search of the site: what is typed into a search field is answered below it, page by page with the places in each.
// The index and what reads it are asked for when somebody comes to a field. Texts only ever become text nodes.
(() => {
  "use strict";
  /** @typedef {{ title: string, page: string, address: string, anchor: string, text: string, weight: number, score: number, terms: string[], match: Record<string, string[]> }} Hit */
  /** @typedef {{ title: string, address: string, score: number, hits: Hit[] }} Page */
  const own = /** @type {HTMLScriptElement} */ (document.currentScript).src;
  const ROOT = new URL("..", own).href;
  const PAGES = 12, PLACES = 3, LENGTH = 180, PHRASE = 2, REST = 0.15, CLAIM = 0.5;

  /** @type {Promise<any> | undefined} */
  let ready;
  /** @param {string} address */
  const load = (address) => new Promise((done, failed) => {
    const script = document.createElement("script");
    script.addEventListener("load", done);
    script.addEventListener("error", () => failed(new Error(`${address} cannot be loaded.`)));
    script.src = new URL(address, own).href;
    document.head.append(script);
  });
  const open = () => ready ??= load("search_terms.js")
    .then(() => Promise.all([load("../vendor/minisearch.js"), load(`search_index.js?v=${INDEX}`)]))
    .then(() => {
      const { options, index } = globalThis.mechbookSearch;
      return globalThis.MiniSearch.loadJSON(index, options);
    });

  /**
   * The pages that answer a query, the best first. Each place counts for its page, the best in full and the rest a little.
   * @param {any} index
   * @param {string} query
   * @returns {Page[]}
   */
  function answer(index, query) {
    const { ask } = globalThis.mechbookSearch, whole = query.trim().toLowerCase();
    /** @type {Hit[]} */
    let hits = index.search(query, { ...ask, combineWith: "AND" });
    if (!hits.length) hits = index.search(query, ask);
    /** @type {Map<string, Page>} */
    const pages = new Map();
    for (const hit of hits) {
      const page = pages.get(hit.address) ?? { title: hit.page, address: hit.address, score: 0, hits: [] };
      pages.set(hit.address, page);
      const said = whole.includes(" ") && `${hit.title} ${hit.text}`.toLowerCase().includes(whole);
      page.hits.push({ ...hit, score: hit.score * hit.weight * (said ? PHRASE : 1) });
    }
    for (const page of pages.values()) {
      page.hits.sort((x, y) => y.score - x.score);
      const [best, ...rest] = page.hits.map((hit) => hit.score);
      page.score = best + REST * rest.reduce((sum, one) => sum + one, 0);
      // Within the page, what explains comes before what is claimed.
      const order = (/** @type {Hit} */ hit) => hit.score * (hit.anchor.startsWith("claim-") ? CLAIM : 1);
      page.hits.sort((x, y) => order(y) - order(x));
    }
    return [...pages.values()].sort((x, y) => y.score - x.score);
  }

  /**
   * The part of a text that has most of what was found, with those words marked.
   * @param {string} text
   * @param {string[]} terms
   */
  function excerpt(text, terms) {
    const { tokenize, processTerm } = globalThis.mechbookSearch.options, sought = new Set(terms);
    const words = [...text.matchAll(/\S+/gu)].map((match) => ({
      start: match.index, end: match.index + match[0].length,
      hit: tokenize(match[0]).some((/** @type {string} */ part) => sought.has(processTerm(part))),
    }));
    const found = words.flatMap((word, index) => (word.hit ? [index] : []));
    let first = found[0] ?? 0, most = 0;
    for (const index of found) {
      const until = words[index].start + LENGTH, count = found.filter((one) => one >= index && words[one].end <= until).length;
      if (count > most) [first, most] = [index, count];
    }
    // A few words before the first, and from the sentence's beginning where that is near.
    let from = Math.max(0, first - 6);
    for (let index = first; index >= Math.max(0, first - 12); index--) {
      if (index === 0 || /[.:?!]$/u.test(text.slice(words[index - 1].start, words[index - 1].end))) { from = index; break; }
    }
    const line = document.createElement("p");
    let at = words[from]?.start ?? 0;
    if (from > 0) line.append("… ");
    let last = from;
    for (let index = from; index < words.length && words[index].end <= words[from].start + LENGTH; index++) {
      const { start, end, hit } = words[index];
      last = index;
      if (!hit) continue;
      line.append(text.slice(at, start));
      const mark = document.createElement("mark");
      mark.textContent = text.slice(start, end);
      line.append(mark);
      at = end;
    }
    line.append(text.slice(at, words[last]?.end ?? text.length), last < words.length - 1 ? " …" : "");
    return line;
  }

  /**
   * @param {string} words
   * @param {string} address
   */
  function link(words, address) {
    const element = document.createElement("a");
    element.href = ROOT + address;
    element.textContent = words;
    return element;
  }

  /**
   * @param {Page[]} pages
   * @param {string} query
   */
  function shown(pages, query) {
    const status = document.createElement("p"), list = document.createElement("ol");
    status.setAttribute("role", "status");
    status.textContent = pages.length ? `${pages.length} ${pages.length === 1 ? "page" : "pages"}` : `Nothing has “${query}”.`;
    list.append(...pages.slice(0, PAGES).map((page) => {
      const item = document.createElement("li"), head = document.createElement("div");
      head.className = "mb-found-page";
      head.append(link(page.title, page.address));
      item.append(head, ...page.hits.slice(0, PLACES).map((hit) => {
        const place = document.createElement("div");
        place.className = "mb-found-place";
        if (hit.anchor) place.append(link(hit.title, `${hit.address}#${hit.anchor}`));
        place.append(excerpt(hit.text, Object.keys(hit.match)));
        return place;
      }));
      return item;
    }));
    return [status, list];
  }

  /** @param {HTMLInputElement} field */
  function attend(field) {
    const form = /** @type {HTMLFormElement} */ (field.form);
    const place = form.closest(".bd-search-container")?.querySelector("#search-results") ?? document.createElement("div");
    place.classList.add("mb-found");
    if (!place.isConnected) form.after(place);
    // A place on this very page would else stay behind what was found.
    place.addEventListener("click", ({ target }) => {
      if (target instanceof Element && target.closest("a")) place.closest("dialog")?.close();
    });
    let asked = "";
    const seek = async () => {
      const query = field.value;
      asked = query;
      try {
        const index = await open();
        if (query === asked) place.replaceChildren(...(query.trim() ? shown(answer(index, query), query) : []));
      } catch (error) {
        place.textContent = `The search does not work here: ${error instanceof Error ? error.message : error}`;
        globalThis.reportError(error);
      }
    };
    field.addEventListener("focus", () => { open().catch(() => { /* told when something is asked */ }); });
    field.addEventListener("input", seek);
    // The answer is there already.
    form.addEventListener("submit", (event) => { event.preventDefault(); seek(); });
    const given = new URLSearchParams(window.location.search).get("q");
    if (given && form.closest(".bd-search-container")) {
      field.value = given;
      seek();
    }
  }

  const start = () => {
    for (const field of document.querySelectorAll("form.bd-search input")) attend(/** @type {HTMLInputElement} */ (field));
  };
  start();
  globalThis.mechbookAnswer = async (/** @type {string} */ query) => answer(await open(), query);
})();
