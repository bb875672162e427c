// What every client of a browser's kind does: log in, follow the account's orders, place one and see it on the book,
// place one that breaks the contract and read why it was refused, and ask without a token.

/** Runs the steps with a client (connect.mjs, grpcweb.mjs) and returns what was seen. */
export async function run(client, { username, password, account, instrument }) {
  const nobody = await client.refused(() => client.getOrder("", "01890000-0000-7000-8000-000000000000"));
  const token = await client.login(username, password);
  const follower = client.follow(token, account);
  await follower.ready;
  const orderId = await client.place(token, order(account, instrument, "10"));
  const status = await within(20_000, follower.until(orderId, "ORDER_STATUS_NEW"));
  follower.cancel();
  const read = await client.getOrder(token, orderId);
  const wrong = await client.refused(() => client.place(token, order(account, instrument, "ten")));
  return { orderId, status, read, wrong, nobody };
}

function order(account, instrument, quantity) {
  const clientOrderId = `js-${Math.random().toString(36).slice(2)}${Date.now()}`;
  return { clientOrderId, account, instrument, quantity, limitPrice: "100" };
}

/** The order stream's state: resolves `ready` at the snapshot's end, and `until` when an order has a status. */
export class Follower {
  #statuses = new Map();
  #waiting = [];

  constructor() {
    this.ready = new Promise((resolve, reject) => {
      this.snapshotEnded = resolve;
      this.failed = reject;
    });
  }

  report(orderId, status) {
    this.#statuses.set(`${orderId} ${status}`, status);
    this.#waiting.forEach((look) => look());
  }

  until(orderId, status) {
    return new Promise((resolve) => {
      const look = () => this.#statuses.has(`${orderId} ${status}`) && resolve(status);
      this.#waiting.push(look);
      look();
    });
  }
}

function within(milliseconds, promise) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("nothing came in time")), milliseconds));
  return Promise.race([promise, late]);
}
