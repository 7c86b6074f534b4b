// @ts-check
// The buttons of a training run.
import { h } from "../kit.js";

/**
 * @param {{ toggle: () => void, step: () => void, reset: () => void, next: () => void }} how
 */
export function buttonsOf({ toggle, step, reset, next }) {
  const play = h("button", { type: "button", class: "mb-main", click: toggle }, "Play");
  const all = [
    play,
    h("button", { type: "button", click: step }, "One step"),
    h("button", { type: "button", click: reset }, "Reset"),
    h("button", { type: "button", click: next }, "Next seed"),
  ];
  return {
    element: h("div", { class: "mb-presets", role: "group", "aria-label": "Training" }, ...all),
    /** @param {{ playing: boolean, done: boolean, step: number }} what */
    show({ playing, done, step: now }) {
      const words = playing ? "Pause" : done ? "Play again" : "Play";
      if (play.textContent !== words) play.textContent = words;
      all[1].disabled = playing || done;
      all[2].disabled = now === 0 && !playing;
    },
  };
}
