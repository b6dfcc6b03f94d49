import { Agent } from 'node:http';
import { send, type HttpRequest, type HttpResponse } from '../support/http-client.ts';

const limitMs = 30_000;

/** A client with one connection to one gateway, kept from request to request. */
export class KeptConnection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #origin: URL;

  constructor(origin: URL) {
    this.#origin = origin;
  }

  async send(request: HttpRequest): Promise<HttpResponse> {
    const whole = { ...request, agent: this.#agent, limitMs };
    try {
      return await send(this.#origin.href, whole);
    } catch {
      // The gateway may have closed the kept connection as it was used: the next one is new.
      return send(this.#origin.href, whole);
    }
  }

  close(): void {
    this.#agent.destroy();
  }
}
