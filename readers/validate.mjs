// Prints the Khronos validator's report of a glTF file as JSON: node validate.mjs FILE
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.ADAMESH_READERS}/`);
const { validateBytes } = require("gltf-validator");
const report = await validateBytes(new Uint8Array(readFileSync(process.argv[2])));
console.log(JSON.stringify(report));
