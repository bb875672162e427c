// Server-Sent Events by the npm package `eventsource`: events.mjs URL TOKEN COUNT. Prints COUNT events, a JSON line each.
import { EventSource } from "eventsource";

const [url, token, count] = process.argv.slice(2);
const source = new EventSource(url, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } }),
});
let seen = 0;
source.onmessage = ({ data, lastEventId }) => {
  console.log(JSON.stringify({ id: lastEventId, data: JSON.parse(data) }));
  seen += 1;
  if (seen === Number(count)) process.exit(0);
};
source.onerror = (error) => {
  console.error(`${error.code ?? ""} ${error.message ?? ""}`);
  process.exit(1);
};
