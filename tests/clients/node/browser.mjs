// The scenario in a page of headless Chromium: browser.mjs CHROMIUM PAGE KIND URL JSON. Prints one JSON line.
import { chromium } from "playwright-core";

const [executablePath, page, kind, url, words] = process.argv.slice(2);
// Any host name ending in .example is this machine: pages of foreign origins need no name server.
const args = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP *.example 127.0.0.1"];
const browser = await chromium.launch({ executablePath, args, headless: true });
try {
  const tab = await browser.newPage();
  await tab.goto(page);
  const told = await tab.evaluate(([k, u, w]) => globalThis.ordermesh(k, u, w), [kind, url, JSON.parse(words)]);
  console.log(JSON.stringify(told));
} finally {
  await browser.close();
}
