// @ts-check
// The bigram task, sampled as mechbook/shared/bigrams.py samples it: a few triggers are always followed by the same token.
import { aliasTable, pick } from "./random.js";

/**
 * The task: distributions (N) and (N, N), T inputs a sequence, K triggers, drawn from pi_u for each sequence or fixed.
 * @typedef {{ pi_u: number[], pi_b: number[][], T: number, K: number, triggers: number[] | null }} Task
 */
/**
 * Room for B sequences: their tokens, each sequence `stride` numbers after the one before; how many positions of each
 * can be known from the context, and those positions with their targets, sequence after sequence.
 * @typedef {{ z: Int32Array<ArrayBuffer>, stride: number, counts: Int32Array<ArrayBuffer>, places: Int32Array<ArrayBuffer>, targets: Int32Array<ArrayBuffer> }} Batch
 */

/**
 * What draws one batch into its room, and returns the number of positions that count.
 * @param {Task} task
 */
export function sampler({ pi_u, pi_b, T, K, triggers }) {
  const N = pi_u.length, first = aliasTable(pi_u), after = pi_b.map(aliasTable);
  const chosen = new Int32Array(K), output = new Int32Array(N), seen = new Int32Array(N);
  /**
   * @param {() => number} uniform
   * @param {Batch} room
   */
  return (uniform, { z, stride, counts, places, targets }) => {
    let n = 0;
    for (let b = 0; b < counts.length; b++) {
      output.fill(-1);
      for (let k = 0; k < K; k++) {
        if (triggers) chosen[k] = triggers[k];
        // without replacement: one that is there already is drawn again
        else do chosen[k] = pick(first, uniform); while (output[chosen[k]] >= 0);
        output[chosen[k]] = Math.floor(uniform() * N);
      }
      seen.fill(0);
      let token = pick(first, uniform), count = 0;
      for (let t = 0; t < T; t++) {
        z[b * stride + t] = token;
        const fixed = output[token], next = fixed < 0 ? pick(after[token], uniform) : fixed;
        if (fixed >= 0 && ++seen[token] >= 2) {
          places[n] = t;
          targets[n++] = next;
          count++;
        }
        token = next;
      }
      counts[b] = count;
    }
    return n;
  };
}

/**
 * The same with fixed triggers and noise, as mechbook/noisy/task.py: what follows a trigger is, with probability `alpha`,
 * the noise token, number N; after the noise comes a draw from pi_u; the last input is always a trigger. Beside the
 * targets, `answers` gets what would have followed without noise.
 * @param {Omit<Task, "triggers"> & { triggers: number[], alpha: number }} task
 */
export function noisySampler({ pi_u, pi_b, T, K, triggers, alpha }) {
  const N = pi_u.length, first = aliasTable(pi_u), after = pi_b.map(aliasTable), output = new Int32Array(N + 1).fill(-1), seen = new Int32Array(N + 1);
  /**
   * @param {() => number} uniform
   * @param {Batch & { answers: Int32Array<ArrayBuffer> }} room
   */
  return (uniform, { z, stride, counts, places, targets, answers }) => {
    let n = 0;
    for (let b = 0; b < counts.length; b++) {
      for (const trigger of triggers) output[trigger] = Math.floor(uniform() * N);
      seen.fill(0);
      let token = pick(first, uniform), count = 0;
      for (let t = 0; t < T; t++) {
        z[b * stride + t] = token;
        const known = output[token];
        let next = token === N ? pick(first, uniform) : known < 0 ? pick(after[token], uniform) : uniform() < alpha ? N : known;
        if (t === T - 2) next = triggers[Math.floor(uniform() * K)];
        if (known >= 0 && ++seen[token] >= 2) {
          places[n] = t;
          answers[n] = known;
          targets[n++] = next;
          count++;
        }
        token = next;
      }
      counts[b] = count;
    }
    return n;
  };
}
