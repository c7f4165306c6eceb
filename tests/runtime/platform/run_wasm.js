// node run_wasm.js MODULE.wasm: the outputs into outputs.bin, exit status 0 when all models ran.
const fs = require('fs');

const outputs = [];
let memory;
const put = (at, count) => outputs.push(Buffer.from(new Uint8Array(memory.buffer, at, count)));
const module_ = new WebAssembly.Module(fs.readFileSync(process.argv[2]));
const instance = new WebAssembly.Instance(module_, { host: { put } });
memory = instance.exports.memory;
const failed = instance.exports.run();
fs.writeFileSync('outputs.bin', Buffer.concat(outputs));
process.exitCode = failed;
