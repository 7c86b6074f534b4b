// @ts-check
// Brings a page's widgets to life, each when it nears the screen: only then are the widgets' scripts asked for, and
// the weights it reads. A widget's own settings stand in the page, in its place; VERSION is told by serving.py.
(() => {
  "use strict";
  /** @typedef {{ get(key: string): unknown }} Store */
  /** @typedef {{ description: object, data: string }} Sent */
  const own = /** @type {HTMLScriptElement} */ (document.currentScript).src;
  // A screen ahead of the reader.
  const AHEAD = "100% 0%";

  /** @type {Map<string, Promise<void>>} */
  const asked = new Map();
  /** @type {Map<string, Sent>} */
  const sent = new Map();
  /** @type {Map<string, Promise<Store>>} */
  const stores = new Map();

  // What a file of weights calls. Pages from files may load scripts, and nothing else.
  globalThis.mechbookStore = (id, description, data) => sent.set(id, { description, data });

  /**
   * Load a script that lies beside this one, once.
   * @param {string} address
   */
  function load(address) {
    const url = new URL(address, own).href;
    const before = asked.get(url);
    if (before) return before;
    /** @type {Promise<void>} */
    const loaded = new Promise((done, failed) => {
      const script = document.createElement("script");
      script.addEventListener("load", () => done());
      script.addEventListener("error", () => failed(new Error(`${url} cannot be loaded.`)));
      script.src = url;
      document.head.append(script);
    });
    asked.set(url, loaded);
    return loaded;
  }

  /**
   * The weights `id` as widgets read them.
   * @param {string} id
   */
  function storeOf(id) {
    const before = stores.get(id);
    if (before) return before;
    const store = load(`../widgets/${id}.js`).then(() => {
      const { description, data } = /** @type {Sent} */ (sent.get(id));
      sent.delete(id);
      const text = atob(data), bytes = new Uint8Array(text.length);
      for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
      /** @type {Record<string, unknown>} */
      const traits = { description, data: new DataView(bytes.buffer) };
      return { get: (/** @type {string} */ key) => traits[key] };
    });
    stores.set(id, store);
    return store;
  }

  /**
   * Draw the widget of a place. Its pieces come one by one, so that no task is long.
   * @param {HTMLElement} place
   */
  async function wake(place) {
    const traits = JSON.parse(place.querySelector("script")?.textContent ?? "");
    const loaded = Promise.all([load(`mechbook.js?v=${VERSION}`), storeOf(traits.store)]);
    await loaded;
    const el = document.createElement("div");
    place.append(el);
    const model = {
      get: (/** @type {string} */ key) => traits[key],
      widget_manager: { get_model: storeOf },
    };
    await globalThis.mechbook.widgets[traits.kind]({ model, el });
  }

  const waiting = new Set(/** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".mb-place")));
  let last = Promise.resolve();
  /** @param {HTMLElement} place */
  function call(place) {
    if (!waiting.delete(place)) return;
    watch.unobserve(place);
    last = last.then(() => wake(place)).catch(globalThis.reportError);
  }

  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting) call(/** @type {HTMLElement} */ (target));
  }, { rootMargin: AHEAD });

  // A link to a state names the widget that is to show it; no element has such a name, so no browser goes there itself.
  // The sections around it are laid out first (mechbook.css has them wait), or it would be sought where it is not.
  const named = () => {
    const [name] = window.location.hash.slice(1).split("?");
    for (const place of waiting) {
      if (place.dataset.name !== name) continue;
      for (let each = place.closest("section"); each; each = each.parentElement?.closest("section") ?? null) {
        each.style.contentVisibility = "visible";
      }
      call(place);
    }
  };

  // The theme's button "Back to top" floats low on the screen: where a widget is there, it would lie over its lines.
  const /** @type {Set<Element>} */ low = new Set();
  const below = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) low.add(target);
      else low.delete(target);
    }
    document.documentElement.classList.toggle("mb-low", low.size > 0);
  }, { rootMargin: "-85% 0px 0px 0px" });

  for (const place of waiting) {
    watch.observe(place);
    below.observe(place);
  }
  window.addEventListener("hashchange", named);
  named();
})();
