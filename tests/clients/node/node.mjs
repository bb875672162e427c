// The scenario from Node: node.mjs KIND URL JSON. Prints one JSON line.
import { XMLHttpRequest } from "./requests.mjs";

globalThis.XMLHttpRequest = XMLHttpRequest; // the grpc-web runtime knows nothing else
await import("./page.mjs");
const [kind, url, words] = process.argv.slice(2);
console.log(JSON.stringify(await globalThis.ordermesh(kind, url, JSON.parse(words))));
process.exit(0);
