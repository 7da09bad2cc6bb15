// ONNX Runtime's side of a comparison: see README.md. Takes JSON as its only argument:
// {modules, models, pixels, shape, threads, logits}. Tries its settings, keeps the fastest, then
// times one call for every call asked for on standard input.
"use strict";
const fs = require("fs");
const readline = require("readline");
const o = JSON.parse(process.argv[2]);
const ort = require(o.modules + "/onnxruntime-node");
const version = require(o.modules + "/onnxruntime-node/package.json").version;

function readNpy(path) {
  const bytes = fs.readFileSync(path);
  const start = 10 + bytes.readUInt16LE(8);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset + start));
}

function writeNpy(path, data, dims) {
  let header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims.join(", ")}), }`;
  header += " ".repeat(63 - ((10 + header.length) % 64)) + "\n";
  const head = Buffer.from("\x93NUMPY\x01\x00\x00\x00", "latin1");
  head.writeUInt16LE(header.length, 8);
  fs.writeFileSync(path, Buffer.concat([head, Buffer.from(header, "latin1"),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength)]));
}

const feeds = { x: new ort.Tensor("float32", readNpy(o.pixels), o.shape) };

async function call(session) {
  const start = process.hrtime.bigint();
  const out = await session.run(feeds);
  return [Number(process.hrtime.bigint() - start) / 1e6, out.y];
}

async function median(session, calls) {
  const ms = [];
  for (let i = 0; i < calls; i++) ms.push((await call(session))[0]);
  return ms.sort((a, b) => a - b)[calls >> 1];
}

// Every graph optimisation in every form of the model; with arenas and without.
async function best() {
  let chosen = null;
  const tried = [];
  for (const model of o.models)
    for (const arena of [true, false]) {
      const session = await ort.InferenceSession.create(model, {
        graphOptimizationLevel: "all", executionMode: "sequential", intraOpNumThreads: o.threads,
        interOpNumThreads: 1, enableCpuMemArena: arena, enableMemPattern: arena, logSeverityLevel: 3,
      });
      await median(session, 3);
      const ms = await median(session, 7);
      const style = /reduce/.test(model) ? "reductions" : "pooling";
      const setting = `all graph optimisations, ${style}, memory arena ${arena ? "on" : "off"}`;
      tried.push({ setting, ms });
      if (!chosen || ms < chosen.ms) {
        if (chosen) await chosen.session.release();
        chosen = { session, setting, ms };
      } else {
        await session.release();
      }
    }
  return { ...chosen, tried };
}

async function main() {
  const { session, setting, tried } = await best();
  let [last, y] = await call(session);
  writeNpy(o.logits, y.data, y.dims);
  console.log(JSON.stringify({ ready: true, version: `onnxruntime-node ${version}`, setting, tried }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const ms = [];
    if (last < 500) await call(session);
    for (let i = 0; i < Number(line); i++) ms.push((last = (await call(session))[0]));
    console.log(JSON.stringify({ ms }));
  }
}

main().catch((error) => { console.error(error); process.exit(1); });
