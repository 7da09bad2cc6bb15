// ONNX Runtime's side of `make peers`: loads a model with all graph optimisations, writes its answer
// to the saved input, then takes one sample for every line it reads and answers with milliseconds.
//   node onnx_side.js MODEL.onnx INPUT.f32 BATCH SIZE THREADS ANSWER.f32
"use strict";
const fs = require("fs");
const readline = require("readline");
const ort = require("onnxruntime-node");

async function main() {
  const [model, input, batch, size, threads, answer] = process.argv.slice(2);
  const session = await ort.InferenceSession.create(model, {
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    intraOpNumThreads: Number(threads),
    interOpNumThreads: 1,
    enableMemPattern: true,
    enableCpuMemArena: true,
  });
  const bytes = fs.readFileSync(input);
  const x = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const feeds = {};
  feeds[session.inputNames[0]] = new ort.Tensor("float32", x, [Number(batch), 3, Number(size), Number(size)]);
  const result = await session.run(feeds);
  fs.writeFileSync(answer, Buffer.from(result[session.outputNames[0]].data.buffer));
  console.log("ready");
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (line === "") continue;
    const start = process.hrtime.bigint();
    await session.run(feeds);
    console.log((Number(process.hrtime.bigint() - start) * 1e-6).toFixed(4));
  }
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
