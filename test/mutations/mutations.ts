/** A mistake that a change could bring in, and the test that must fail on it. */
export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly right: string;
  readonly wrong: string;
  /** A test file, or `simulate` and the number of histories. */
  readonly noticedBy: string;
}

const idempotency = 'src/operations/create/idempotency.ts';
const simulate = 'simulate 3000';

export const mutations: readonly Mutation[] = [
  {
    name: 'Generate is sent again when it fails',
    file: 'src/upstream/upstream-client.ts',
    right: `const operation = await call('Generate', methods.generate, request, callOptions);`,
    wrong: `const operation = await call('Generate', methods.generate, request, callOptions).catch(() => call('Generate', methods.generate, request, callOptions));`,
    noticedBy: 'test/faults/misbehaving-upstream.test.ts',
  },
  {
    name: 'the record of a create that failed is freed, however it failed',
    file: idempotency,
    right: `isUnspent ? 'failed' : 'unknown'`,
    wrong: `isUnspent ? 'failed' : 'failed'`,
    noticedBy: simulate,
  },
  {
    name: 'a dispatch is carried out again when its lease is over',
    file: idempotency,
    right: `(record.state === 'reserved' && isOver)) return record;`,
    wrong: `isOver) return record;`,
    noticedBy: simulate,
  },
  {
    name: 'a reservation is taken over before its lease is over',
    file: idempotency,
    right: `(record.state === 'reserved' && isOver)`,
    wrong: `record.state === 'reserved'`,
    noticedBy: 'test/operations/create/idempotency.test.ts',
  },
  {
    name: 'the fence is not compared',
    file: 'src/state/record-swap.ts',
    right: `if (found?.state !== expected?.state || found?.fence !== expected?.fence) {`,
    wrong: `if (found?.state !== expected?.state) {`,
    noticedBy: simulate,
  },
  {
    name: 'a fence is given twice',
    file: 'src/state/record-swap.ts',
    right: `next.fence === 'take' ? Math.max(time.latestMs(), before + 1) : before`,
    wrong: `next.fence === 'take' ? before + 1 : before`,
    noticedBy: 'test/state/embedded-store.test.ts',
  },
  {
    name: 'the dispatch is not durable before Generate leaves',
    file: 'src/operations/create/key-records.ts',
    right: `durable: true,`,
    wrong: `durable: false,`,
    noticedBy: simulate,
  },
  {
    name: 'a key stands for any request',
    file: idempotency,
    right: `return record.fingerprint === '' || record.fingerprint === request.fingerprint;`,
    wrong: `return record.fingerprint === '' || request.fingerprint !== '';`,
    noticedBy: simulate,
  },
  {
    name: 'a create with an unknown end is reported as not started',
    file: 'src/upstream/call/status-error.ts',
    right: `return method === 'Generate' ? { outcome } : {};`,
    wrong: `return method === 'Generate' ? { outcome: outcome === 'unknown' ? 'not_started' : outcome } : {};`,
    noticedBy: 'test/upstream/call/status-error.test.ts',
  },
  {
    name: 'a reservation is refunded although the image may be paid for',
    file: 'src/operations/create/creates.ts',
    right: `(isUnspent ? reservation.refund({ includesRate }) : reservation.release())`,
    wrong: `(isUnspent ? reservation.refund({ includesRate }) : reservation.refund())`,
    noticedBy: simulate,
  },
  {
    name: 'limits are taken although one of them is used up',
    file: 'src/state/limit-counters.ts',
    right: `!states.every(({ fits }) => fits)`,
    wrong: `!states.some(({ fits }) => fits)`,
    noticedBy: 'test/state/embedded-store.test.ts',
  },
  {
    name: 'the tenant is left out of the sealed id',
    file: 'src/operations/operation-id.ts',
    right: 'return `${prefix}${version}\\0${tenant}`;',
    wrong: 'return `${prefix}${version}\\0${tenant.slice(0, 0)}`;',
    noticedBy: 'test/operations/operation-id.test.ts',
  },
  {
    name: 'an id has several spellings',
    file: 'src/sealing/seal.ts',
    right: `return bytes.toString('base64url') === text ? bytes : undefined;`,
    wrong: `return bytes;`,
    noticedBy: 'test/operations/operation-id.test.ts',
  },
  {
    name: 'a limit in time is passed on as it comes',
    file: 'src/upstream/call/rpc-caller.ts',
    right: `Number.isFinite(timeoutMs) ? Math.min(timeoutMs, timeoutMsMax) : timeoutMsMax;`,
    wrong: `timeoutMs > timeoutMsMax * 0 ? timeoutMs : timeoutMs;`,
    noticedBy: 'test/upstream/call/unary-call.test.ts',
  },
  {
    name: "Fastify's own parsers, text/plain among them, are left in",
    file: 'src/http/json-body.ts',
    right: `app.removeAllContentTypeParsers();`,
    wrong: `app.removeContentTypeParser('application/json');`,
    noticedBy: 'test/http/create-image.test.ts',
  },
  {
    name: 'every waiter polls for itself',
    file: 'src/operations/poll/polling-hub.ts',
    right: `if (tracked.reading !== undefined) return tracked.reading;`,
    wrong: `if (tracked.isOver && tracked.reading !== undefined) return tracked.reading;`,
    noticedBy: 'test/operations/operations.test.ts',
  },
  {
    name: 'tokens for another audience are accepted',
    file: 'src/callers/jwt-verifier.ts',
    right: `        audience,
        algorithms`,
    wrong: `        algorithms`,
    noticedBy: 'test/callers/jwt-verifier.test.ts',
  },
  {
    name: 'unknown key ids are fetched for each time',
    file: 'src/callers/issuer-keys.ts',
    right: `if (elapsedMs() - fetchedFor.unknownKidAtMs >= unknownKidRefetchMs) {`,
    wrong: `if (elapsedMs() - fetchedFor.unknownKidAtMs >= 0) {`,
    noticedBy: 'test/callers/jwt-verifier.test.ts',
  },
  {
    name: 'a route forgets to ask who calls',
    file: 'src/http/hooks/authentication.ts',
    right: `if (request.routeOptions.config.access === 'public') return done();`,
    wrong: `if (request.routeOptions.config.access === 'public' || request.method === 'GET') return done();`,
    noticedBy: 'test/http/access.test.ts',
  },
  {
    name: 'a drain closes connections on which a request may be on its way',
    file: 'src/lifecycle/connections.ts',
    right: `isInPart ? idleMs * partPatience : idleMs;`,
    wrong: `isInPart ? idleMs * partPatience : 0;`,
    noticedBy: 'test/http/drain.test.ts',
  },
  {
    name: 'a drain ends calls that may be paid for with the last connection',
    file: 'src/lifecycle/gateway-drain.ts',
    right: `connections.closeAll();
        await creates.ended();`,
    wrong: `connections.closeAll();`,
    noticedBy: 'test/http/drain.test.ts',
  },
  {
    name: 'a gateway that leaves says that it is ready',
    file: 'src/app.ts',
    right: `if (drain.phase !== 'serving') return 'draining';`,
    wrong: `if (drain.phase === 'closed') return 'draining';`,
    noticedBy: 'test/http/drain.test.ts',
  },
  {
    name: 'any list of transfer codings that ends in chunked is read',
    file: 'src/http/edge/framing-violation.ts',
    right: `coding?.toLowerCase() !== 'chunked'`,
    wrong: `coding?.toLowerCase().endsWith('chunked') !== true`,
    noticedBy: 'test/edge/smuggling.test.ts',
  },
  {
    name: 'a request behind a refused one is served',
    file: 'src/http/edge/request-gate.ts',
    right: `if (connection.isShut) return;
      const early`,
    wrong: `if (connection.isShut && connection.pending > limits.pipelinedMax) return;
      const early`,
    noticedBy: 'test/edge/smuggling.test.ts',
  },
  {
    name: 'an early response takes the place of a pending one',
    file: 'src/http/edge/connection.ts',
    right: `if (this.#pending.size > Number(isBrokenPending)) return;`,
    wrong: `if (this.#pending.size < Number(isBrokenPending)) return;`,
    noticedBy: 'test/edge/smuggling.test.ts',
  },
  {
    name: 'an idle connection makes room together with the request that has begun on it',
    file: 'src/http/edge/connection-limits.ts',
    right: `if (socket.bytesRead !== connection?.bytesRead) continue;`,
    wrong: `if (connection === undefined) continue;`,
    noticedBy: 'test/edge/connection-limits.test.ts',
  },
  {
    name: 'a reader is judged by what the kernel took for it',
    file: 'src/http/edge/slow-readers.ts',
    right: `- queuedBytes - inKernelBytes;`,
    wrong: `- queuedBytes;`,
    noticedBy: 'test/edge/slow-clients.test.ts',
  },
  {
    name: 'a link that is read with a link lives for another hour',
    file: 'src/http/operation-response.ts',
    right: `Math.min(this.#linksEndAtMs(), expiresAtMs)`,
    wrong: `this.#linksEndAtMs()`,
    noticedBy: 'test/http/links.test.ts',
  },
  {
    name: 'links and tokens outlive the key that they were given to',
    file: 'src/callers/authenticator.ts',
    right: `if (options.mode !== 'keys') return caller;`,
    wrong: `if (options.mode !== undefined) return caller;`,
    noticedBy: 'test/http/links.test.ts',
  },
  {
    name: 'the links of one key are kept for the caller’s other key',
    file: 'src/http/operation-response.ts',
    right: `kept.keyId === keyId`,
    wrong: `kept.json !== ''`,
    noticedBy: 'test/http/links.test.ts',
  },
  {
    name: 'a JWT whose scopes are all foreign may do everything',
    file: 'src/callers/authenticator.ts',
    right: `if (named === undefined) return identity;`,
    wrong: `if (named === undefined || !named.some((name) => name.includes(':'))) return identity;`,
    noticedBy: 'test/http/access.test.ts',
  },
  {
    name: 'credentials that the upstream refuses use up what callers share',
    file: 'src/app-passthrough.ts',
    right: `if (error.reason === 'unauthenticated') return 'refused';`,
    wrong: `if (error.reason === 'unauthenticated') return 'unknown';`,
    noticedBy: 'test/http/strangers.test.ts',
  },
  {
    name: 'a browser’s token takes the idempotency keys of its caller',
    file: 'src/callers/authenticator.ts',
    right: `keysOf: \`\${token.subject} \${tokenId}\`,`,
    wrong: `keysOf: token.subject,`,
    noticedBy: 'test/http/browser-tokens.test.ts',
  },
];
