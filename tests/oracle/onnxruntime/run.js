// Runs ONNX models in ONNX Runtime: node run.js JOBS.json
//
// JOBS.json is a list of {model, inputs, output: FOLDER}; inputs is {name: FILE.npy}, or a list of
// files in the order of the model's inputs. Every graph output n
// of a job becomes FOLDER/n.npy, numbered in the order of the model's outputs, so that names may
// have any characters. Operators as written, one thread (docs/facts/platform.md 4).
'use strict';

const fs = require('fs');
const path = require('path');
const ort = require('onnxruntime-node');

// NumPy's type codes, ONNX Runtime's and JavaScript's arrays.
const TYPES = [
  ['<f4', 'float32', Float32Array],
  ['|i1', 'int8', Int8Array],
  ['|u1', 'uint8', Uint8Array],
  ['<i4', 'int32', Int32Array],
  ['<i2', 'int16', Int16Array],
  ['<f8', 'float64', Float64Array],
  ['|b1', 'bool', Uint8Array],
  ['<i8', 'int64', BigInt64Array],
];

function readNpy(file) {
  const bytes = fs.readFileSync(file);
  const begin = bytes[6] === 1 ? 10 : 12;
  const length = bytes[6] === 1 ? bytes.readUInt16LE(8) : bytes.readUInt32LE(8);
  const header = bytes.toString('latin1', begin, begin + length);
  const code = /'descr': '([^']*)'/.exec(header)[1];
  const dims = /'shape': \(([^)]*)\)/.exec(header)[1].split(',').map(d => d.trim());
  const type = TYPES.find(t => t[0] === code);
  if (!type || !/'fortran_order': False/.test(header)) throw new Error(`${file}: ${header}`);
  const data = bytes.buffer.slice(bytes.byteOffset + begin + length,
                                  bytes.byteOffset + bytes.length);
  return new ort.Tensor(type[1], new type[2](data), dims.filter(d => d !== '').map(Number));
}

function writeNpy(file, tensor) {
  const type = TYPES.find(t => t[1] === tensor.type);
  if (!type) throw new Error(`${file}: no type of .npy for ${tensor.type}`);
  const shape = tensor.dims.map(d => `${d},`).join('');
  let header = `{'descr': '${type[0]}', 'fortran_order': False, 'shape': (${shape}), }`;
  header = header.padEnd(header.length + 63 - (10 + header.length) % 64) + '\n';
  const prefix = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 0, 0]);
  prefix.writeUInt16LE(header.length, 8);
  const data = Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  fs.writeFileSync(file, Buffer.concat([prefix, Buffer.from(header, 'latin1'), data]));
}

async function run(job) {
  const session = await ort.InferenceSession.create(job.model, {
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const feeds = {};
  const inputs = Array.isArray(job.inputs)
      ? job.inputs.map((file, i) => [session.inputNames[i], file])
      : Object.entries(job.inputs);
  for (const [name, file] of inputs) feeds[name] = readNpy(file);
  const results = await session.run(feeds);
  fs.mkdirSync(job.output, { recursive: true });
  session.outputNames.forEach((name, i) => {
    writeNpy(path.join(job.output, `${i}.npy`), results[name]);
  });
  await session.release();
}

(async () => {
  for (const job of JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))) await run(job);
})().catch(error => {
  console.error(String(error));
  process.exit(1);
});
