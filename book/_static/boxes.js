// A box that scrolls inside, as long code does on a phone, is a stop of the tab key; what fits is none. The theme's own
// script for it measures and changes one box after the other, which lays out the whole page anew each time.
(() => {
  "use strict";
  const BOXES = "pre, .cell_output > .output, .pst-scrollable-table-container";
  const watch = new ResizeObserver((entries) => {
    const scrolls = entries.map(({ target: box }) => box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight);
    entries.forEach(({ target: box }, index) => {
      if (scrolls[index]) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    });
  });
  for (const box of document.querySelectorAll(BOXES)) watch.observe(box);
})();
