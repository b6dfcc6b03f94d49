import type { FastifyInstance } from 'fastify';

interface Sent {
  readonly place: string;
  readonly outcome: string | undefined;
}

/** Compares what each response to a create says of the money with the log line of its request. */
export class OutcomeCheck {
  /** By request id: tests may send one twice. */
  readonly #sent = new Map<string, Sent[]>();

  watch(server: FastifyInstance): void {
    server.addHook('onSend', async (request, reply, payload) => {
      if (request.routeOptions.config.contract?.spends !== true) return payload;
      const outcome =
        reply.statusCode < 400 ? 'accepted' : outcomeOf(typeof payload === 'string' ? payload : '');
      const place = `${request.method} ${request.routeOptions.url} ${reply.statusCode}`;
      this.#sent.set(request.id, [...(this.#sent.get(request.id) ?? []), { place, outcome }]);
      return payload;
    });
  }

  /** Log lines whose outcome is not that of the response. */
  violations(logLines: readonly string[]): readonly string[] {
    const logged = new Map<string, (string | undefined)[]>();
    for (const line of logLines) {
      if (!line.includes('"msg":"request"')) continue;
      const { requestId, outcome, hungUp } = JSON.parse(line) as Record<string, string | undefined>;
      // A caller that hung up got no response to compare with.
      if (requestId === undefined || hungUp !== undefined || !this.#sent.has(requestId)) continue;
      logged.set(requestId, [...(logged.get(requestId) ?? []), outcome]);
    }
    return Array.from(this.#sent).flatMap(([requestId, sent]) => {
      const lines = logged.get(requestId) ?? [];
      // Lines that are not written yet, or whose caller hung up, leave nothing to compare.
      if (lines.length !== sent.length) return [];
      return sent
        .filter(({ outcome }) => !lines.includes(outcome))
        .map(
          ({ place, outcome }) =>
            `${place}: the response says ${outcome} and the log ${lines.join(' and ')}`,
        );
    });
  }
}

/** The outcome in an error of any form. */
function outcomeOf(payload: string): string | undefined {
  const body = JSON.parse(payload) as {
    readonly outcome?: string;
    readonly error?: { readonly outcome?: string };
    readonly details?: readonly { readonly metadata?: { readonly outcome?: string } }[];
  };
  return body.outcome ?? body.error?.outcome ?? body.details?.at(-1)?.metadata?.outcome;
}
