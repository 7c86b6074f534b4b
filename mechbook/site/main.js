// @ts-check
// The one entry: what pages and JupyterLab find in globalThis.mechbook.
import { capacity } from "../memories/widgets/capacity.js";
import { gradient_step } from "../gradients/widgets/gradient_step.js";
import { memory_steps } from "../gradients/widgets/memory_steps.js";
import { induction, induction_small } from "../induction/widgets/induction.js";
import { induction_birth } from "../induction/widgets/birth.js";
import { memory_maps } from "../induction/widgets/memory_maps.js";
import { induction_trainer } from "../induction/widgets/trainer.js";
import { truncation } from "../noisy/widgets/truncation.js";
import { noisy_recall } from "../noisy/widgets/recall.js";
import { noise_attention } from "../noisy/widgets/noise_attention.js";
import { laser_live } from "../laser/widgets/laser_live.js";
import { laser_map } from "../laser/widgets/laser_map.js";
import { laser_time } from "../laser/widgets/laser_time.js";
import { laser_tokens } from "../laser/widgets/laser_tokens.js";
import { fact_time, logits } from "../facts/widgets/time.js";
import { fact_learning } from "../facts/widgets/learning.js";
import { fact_tradeoff } from "../facts/widgets/tradeoff.js";
import { hops } from "../hops/widgets/hops.js";
import { hop_regimes } from "../hops/widgets/regimes.js";
import * as paths from "../hops/widgets/model.js";
import * as associative from "../widgets/associative.js";
import * as engine from "../widgets/engine.js";
import { roles, style, version } from "../widgets/book.js";
import * as kit from "../widgets/kit.js";
import * as parts from "../widgets/parts.js";
import { stateOf } from "../widgets/state.js";
import * as training from "../widgets/training/all.js";

/** By their `kind` in Python. */
const widgets = {
  capacity, gradient_step, memory_steps, induction, induction_small, induction_birth, induction_trainer, memory_maps, truncation, noise_attention, noisy_recall,
  laser_live, laser_map, laser_time, laser_tokens, fact_time, fact_tradeoff, fact_learning, hops, hop_regimes,
};

engine.useProduct(training.compiledProduct);

// What computes, and what widgets are made of, is there for the console and the tests too.
Object.assign(globalThis, {
  mechbook: { version, style, roles, widgets, engine, associative, hops: paths, facts: { logits }, kit, parts, stateOf, training },
});
