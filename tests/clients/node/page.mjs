// What a page loads: `ordermesh(kind, url, words)` runs the scenario from within the browser.
import { connectClient } from "./connect.mjs";
import { grpcWebClient } from "./grpcweb.mjs";
import { run } from "./scenario.mjs";

const CLIENTS = {
  connect: connectClient,
  "grpc-web": (url) => grpcWebClient(url, "binary"),
  "grpc-web-text": (url) => grpcWebClient(url, "text"),
};

globalThis.ordermesh = (kind, url, words) => run(CLIENTS[kind](url), words);
