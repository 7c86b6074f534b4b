// @ts-check
// What all trainers have: the buttons of a run and what they do, and the settings that each of them names alike.
import { h, range, remark } from "../kit.js";
import * as parts from "../parts.js";

/** @typedef {import("./worker.js").View} View */

export const SEEDS = range(10);
/** Whether a run is watched, or is to be over soon; what `pace` of a state may be. */
export const speed = () => parts.choice({ label: "Speed", options: [["watch", "slow enough to watch"], ["fast", "as fast as it goes"]] });
/** The seed of a run's random numbers. */
export const seed = () => parts.slider({ label: "Seed", values: SEEDS });
/**
 * The settings `keys` of a state, which on a phone are rows close enough to have the curves on the same screen.
 * @param {{ controls(...keys: string[]): HTMLElement }} state
 * @param {string[]} keys
 */
export function settings(state, ...keys) {
  const element = state.controls(...keys);
  element.classList.add("mb-settings");
  return element;
}

/**
 * The settings `keys` that a run is begun with, and words that tell them from those that act on a run under way.
 * @param {{ controls(...keys: string[]): HTMLElement }} state
 * @param {string[]} keys
 */
export const beginnings = (state, ...keys) => h("div", { class: "mb-beginnings" }, remark("A change of these begins a new run:"), settings(state, ...keys));

/**
 * `anew` begins another run with the settings as they are now, by way of `begin`; the part "seed" of `state` is
 * `seed`; `tell` says what happens in the run.
 * @param {{
 *   run: import("./player.js").Player, tell: { reset(): void }, anew: () => void,
 *   state: { values: { seed: number }, set(next: { seed: number }): void },
 * }} how
 */
export function buttonsOf({ run, tell, anew, state }) {
  /** @type {View | null} */
  let view = null;
  let playNext = false;
  const restart = () => { tell.reset(); run.reset(); };
  const play = h("button", { type: "button", class: "mb-main", click: toggle }, "Play");
  const one = h("button", { type: "button", click: () => run.step() }, "One step");
  const reset = h("button", { type: "button", click: restart }, "Reset");
  const next = h("button", { type: "button", click: another }, "Next seed");

  function toggle() {
    if (run.playing) run.pause();
    else {
      if (view?.done || view?.diverged) anew();
      run.play();
    }
    draw({ step: view?.step ?? 0, done: false, diverged: false });
  }
  function another() {
    playNext = true;
    state.set({ seed: SEEDS[(SEEDS.indexOf(state.values.seed) + 1) % SEEDS.length] });
  }
  /** @param {Pick<View, "step" | "done" | "diverged">} what */
  function draw({ step, done, diverged }) {
    const words = run.playing ? "Pause" : done || diverged ? "Play again" : "Play";
    if (play.textContent !== words) play.textContent = words;
    // a run that is over makes no step until it begins anew
    turn(one, run.playing || done || diverged);
    turn(reset, step === 0 && !run.playing);
  }
  /**
   * Switch a button off or on; who was on it is not left without a place.
   * @param {HTMLButtonElement} button
   * @param {boolean} off
   */
  function turn(button, off) {
    if (off && document.activeElement === button) play.focus({ preventScroll: true });
    button.disabled = off;
  }

  return {
    element: h("div", { class: "mb-presets mb-run", role: "group", "aria-label": "Training" }, play, one, reset, next),
    /** A new run; it plays where the reader asked for the next seed, and where the one before was playing. */
    begin() {
      const plays = playNext || run.playing;
      restart();
      if (plays) run.play();
      playNext = false;
    },
    /** @param {View} now */
    show(now) {
      view = now;
      draw(now);
    },
  };
}
