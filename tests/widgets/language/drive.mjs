// Gives the engine's worker its orders, as a page would, and prints its answers: node drive.mjs JOB.json
// A job has the worker's bundle, the compiled kernels and orders. An order "open" stands for a file sent in parts.
import fs from "node:fs";

const job = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const code = new Uint8Array(fs.readFileSync(job.kernels));
const answers = [];
globalThis.postMessage = (answer) => answers.push(answer);
new Function(fs.readFileSync(job.worker, "utf8"))();

function send(order) {
  const begun = performance.now(), used = process.cpuUsage();
  globalThis.onmessage({ data: { id: answers.length, ...order } });
  // of the clock, and of the processor: the same on a quiet machine
  answers.at(-1).ms = performance.now() - begun;
  const { user, system } = process.cpuUsage(used);
  answers.at(-1).cpu = (user + system) / 1000;
  return answers.at(-1);
}

// `cut` bytes are left out at the end, and `said` says that they come all the same.
function open({ path, size = 24e6, cut = 0, said = false }) {
  const all = fs.statSync(path).size, bytes = all - cut, first = answers.length, begun = performance.now();
  let last = send({ type: "begin", code, bytes: said ? all : bytes });
  const file = fs.openSync(path);
  for (let at = 0; at < bytes && !last.refused; at += size) {
    const part = new ArrayBuffer(Math.min(size, bytes - at));
    fs.readSync(file, new Uint8Array(part), 0, part.byteLength, at);
    last = send({ type: "part", part });
  }
  if (!last.refused) last = send({ type: "end" });
  answers.splice(first, answers.length - first, { ...last, ms: performance.now() - begun });
}

for (const order of job.orders) order.type === "open" ? open(order) : send(order);

// lists of float32 numbers as text
function packed(key, value) {
  if (!(value instanceof Float32Array)) return value;
  return { f32: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
}
const memory = { peak: process.resourceUsage().maxRSS, now: process.memoryUsage() };
process.stdout.write(JSON.stringify({ answers, ...memory }, packed));
