// ONNX Runtime on the CPU: {"median_us": ..., "min_us": ...} of one network, or with --probe its version.
// node onnxruntime.cjs --network FILE.onnx --batch N --size N --threads N --seconds S
// CommonJS, because only require() looks in NODE_PATH.
const ort = require('onnxruntime-node');

const option = (name, otherwise) => {
  const at = process.argv.indexOf('--' + name);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const batch = Number(option('batch', 1));
const size = Number(option('size', 224));

const arrays = {
  float32: Float32Array, float64: Float64Array, int64: BigInt64Array, int32: Int32Array,
  int8: Int8Array, uint8: Uint8Array, bool: Uint8Array,
};

// The first open dimension is the batch, others are an image's height and width.
function randomInput({ name, type, shape }) {
  const dims = shape.map((d, i) => (typeof d === 'number' && d > 0 ? d : i === 0 ? batch : size));
  if (dims[0] !== batch) throw new Error(`${name} is of batch ${dims[0]} only`);
  if (!(type in arrays)) throw new Error(`${name}: ${type} is not known here`);
  const data = new arrays[type](dims.reduce((a, b) => a * b, 1));
  const draw = type.startsWith('float') ? () => 2 * Math.random() - 1
    : type === 'int64' ? () => BigInt(Math.random() < 0.5) : () => Number(Math.random() < 0.5);
  for (let i = 0; i < data.length; i++) data[i] = draw();
  return [name, new ort.Tensor(type, data, dims)];
}

async function main() {
  if (process.argv.includes('--probe')) return { version: require('onnxruntime-node/package.json').version };
  if (!option('network').endsWith('.onnx')) throw new Error('only networks in ONNX files');
  const session = await ort.InferenceSession.create(option('network'), {
    intraOpNumThreads: Number(option('threads')), interOpNumThreads: 1, graphOptimizationLevel: 'all',
  });
  const feeds = Object.fromEntries(session.inputMetadata.map(randomInput));
  const seconds = Number(option('seconds'));
  const measure = async (ms) => {
    const times = [];
    const start = performance.now();
    while (times.length < 5 || performance.now() - start < ms) {
      const begin = performance.now();
      await session.run(feeds);
      times.push((performance.now() - begin) * 1e3);
    }
    times.sort((a, b) => a - b);
    return { median_us: times[times.length >> 1], min_us: times[0] };
  };
  await measure(200 * seconds); // warms up
  return measure(1000 * seconds);
}

main().then((result) => console.log(JSON.stringify(result)), (error) => {
  console.error(String(error.message).trim().split('\n').pop());
  process.exit(1);
});
