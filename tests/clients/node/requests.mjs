// XMLHttpRequest over Node's fetch, as much of it as the grpc-web runtime uses: Node has none, and the packages that
// bring one keep an answer until it is whole.
export class XMLHttpRequest {
  readyState = 0;
  status = 0;
  statusText = "";
  responseType = "";
  response = "";
  responseText = "";
  responseURL = "";
  onreadystatechange = null;
  #headers = {};
  #answered = new Headers();
  #aborting = new AbortController();

  open(method, url) {
    Object.assign(this, { method, url });
    this.#turn(1);
  }

  setRequestHeader(name, value) {
    this.#headers[name] = value;
  }

  getResponseHeader(name) {
    return this.#answered.get(name);
  }

  getAllResponseHeaders() {
    return [...this.#answered].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  }

  abort() {
    this.#aborting.abort();
  }

  send(body) {
    this.#exchange(body).catch(() => {
      this.status = 0;
      this.#turn(4);
    });
  }

  async #exchange(body) {
    const { method, url } = this;
    const answer = await fetch(url, { method, body, headers: this.#headers, signal: this.#aborting.signal });
    this.#answered = answer.headers;
    Object.assign(this, { status: answer.status, statusText: answer.statusText, responseURL: answer.url });
    this.#turn(2);
    if (this.responseType === "arraybuffer") {
      this.response = await answer.arrayBuffer();
    } else {
      for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
        this.response = this.responseText += text;
        this.#turn(3);
      }
    }
    this.#turn(4);
  }

  #turn(state) {
    this.readyState = state;
    this.onreadystatechange?.();
  }
}
