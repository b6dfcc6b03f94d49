import { toBinary } from '@bufbuild/protobuf';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { jsonOf } from '../support/responses.ts';
import { apiKeysFile, type ApiKeysFile } from '../support/api-keys.ts';
import { failedOperation, runningOperation, succeededOperation } from '../support/fake-upstream.ts';
import { recordFigure } from '../support/figure.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { ok } from '../support/raw-responses.ts';
import { startRawUpstream, type RawUpstream } from '../support/raw-upstream.ts';
import { launchChromium } from './chromium.ts';
import { embedCount, HostileSite } from './hostile-site.ts';
import { refusedPolyglots, servedPolyglots, type Payload, type Polyglot } from './polyglots.ts';

const vendorPath = '/foundationModels/v1/imageGenerationAsync';
const cry = 'a script has run';
/** What was tried in all, and what came of it. */
const sums = { files: 0, provenToRun: 0, ways: 0, responses: 0, ran: 0, shown: 0 };
let site: HostileSite;
let upstream: RawUpstream;
let file: ApiKeysFile;
let open: Gateway;
let keyed: Gateway;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let cries = 0;
/** A run of a part of this file shows no figure. */
let filesInAll = 0;
let payload: Payload;

beforeAll(async () => {
  site = await HostileSite.open();
  payload = {
    script: `console.log('${cry}');new Image().src='${site.origin}/hit'`,
    style: `*{background:url(${site.origin}/hit)}`,
  };
  upstream = await startRawUpstream();
  file = await apiKeysFile({ shop: {} });
  const environment = {
    UPSTREAM_ADDRESS: upstream.address,
    UPSTREAM_POLL_INTERVAL_MS: '10',
    RESULT_READS_PER_SECOND_MAX: '10000',
    CORS_ORIGINS: site.origin,
    LOG_LEVEL: 'error',
  };
  open = await startGateway(environment);
  keyed = await startGateway({ ...environment, AUTH: 'keys', API_KEYS_FILE: file.path });
  browser = await launchChromium();
  context = await browser.newContext({ acceptDownloads: true });
  // Of every page, frame and window: a script that is kept from the network still cries.
  context.on('console', (message) => {
    if (message.text().includes(cry)) cries += 1;
  });
  page = await context.newPage();
});
afterAll(async () => {
  await browser.close();
  await keyed.close();
  await open.close();
  await file.remove();
  await upstream.close();
  await site.close();
});

/** How often something ran since this was asked last. */
async function ranSince(): Promise<number> {
  // Messages of a page come in order: when this one is here, no earlier one is on its way.
  await page.evaluate('0');
  const ran = Math.max(cries, site.hits);
  cries = 0;
  site.hits = 0;
  return ran;
}

/** Opens a page as a person who follows a link does; a download ends the navigation without a page. */
async function visit(url: string): Promise<void> {
  await page.goto(url).catch((error: Error) => {
    if (!/ERR_ABORTED|Download is starting/.test(error.message)) throw error;
  });
}

/** The URLs of an operation whose image is these bytes. */
async function operationOf(gateway: Gateway, bytes: Buffer, headers: Record<string, string> = {}) {
  upstream.on('Generate', ok(toBinary(OperationSchema, runningOperation('operation1'))));
  upstream.on('Get', ok(toBinary(OperationSchema, succeededOperation('operation1', bytes))));
  const created = await jsonOf(gateway.create({ prompt: 'a red cat' }, headers));
  const { self, image, events } = created['urls'] as Record<string, string>;
  const response = await fetch(`${image}${image?.includes('?') === true ? '&' : '?'}wait=20`);
  await response.arrayBuffer();
  return {
    id: String(created['id']),
    status: response.status,
    ...{ self: String(self), image: String(image), events: String(events) },
  };
}

/** Whether the bytes run where a server is careless: else it would be no wonder that they do not here. */
async function runsAtCareless(polyglot: Polyglot): Promise<boolean> {
  if (polyglot.runsAs === undefined) return false;
  site.careless = polyglot;
  await visit(site.embedding(`${site.origin}/careless`));
  await visit('about:blank');
  return (await ranSince()) > 0;
}

/** Goes to an address, and lets a page of another origin embed it. Resolves with the width that its <img> shows. */
async function visitAndEmbed(url: string): Promise<number> {
  await visit(url);
  await visit(site.embedding(url));
  sums.ways += 1 + embedCount;
  return page.evaluate<number>('document.getElementById("shown").naturalWidth');
}

/** What else a page can do with an address that it may read. */
async function openOtherwise(url: string): Promise<void> {
  await visit(site.origin);
  const [popup] = await Promise.all([
    context.waitForEvent('page'),
    page.evaluate(`void window.open('${url}')`),
  ]);
  await popup.waitForLoadState();
  await popup.close();
  await page.evaluate(`(async () => {
    const response = await fetch('${url}');
    const frame = document.createElement('iframe');
    const loaded = new Promise((resolve) => frame.addEventListener('load', resolve));
    frame.src = URL.createObjectURL(await response.blob());
    document.body.append(frame);
    await loaded;
  })()`);
  // And what a page of the gateway's own origin can.
  const { origin, pathname } = new URL(url);
  await visit(`${origin}/livez`);
  const taken = await page.evaluate<readonly string[]>(`Promise.all([
    navigator.serviceWorker.register('${pathname}').then(() => 'worker', () => ''),
    import('${pathname}').then(() => 'module', () => ''),
  ])`);
  expect(taken).toEqual(['', '']);
  sums.ways += 4;
}

/** What became of one file at both gateways. */
async function tried(polyglot: Polyglot) {
  const isProven = await runsAtCareless(polyglot);
  const plain = await operationOf(open, polyglot.bytes);
  const signed = await operationOf(keyed, polyglot.bytes, { 'x-api-key': file.keys['shop'] ?? '' });
  const widths = [await visitAndEmbed(plain.image), await visitAndEmbed(signed.image)];
  await visitAndEmbed(`${plain.image}?download=1`);
  await openOtherwise(plain.image);
  const responses = [plain.self, `${plain.self}?include=image`, plain.events];
  for (const address of responses) await visit(address);
  const ran = await ranSince();
  const isShown = widths.every((width) => width > 0);
  sums.files += 1;
  sums.provenToRun += isProven ? 1 : 0;
  sums.ways += responses.length;
  sums.ran += ran;
  sums.shown += isShown ? 1 : 0;
  return { statuses: [plain.status, signed.status], isProven, isShown, ran };
}

it('images that are also a page, a script or a style are shown, and run nothing', async () => {
  const files = await servedPolyglots(payload);
  filesInAll += files.length;
  for (const polyglot of files) {
    const { runsAs, isShown, name } = polyglot;
    const expected = { statuses: [200, 200], isProven: runsAs !== undefined, isShown, ran: 0 };
    expect.soft(await tried(polyglot), name).toEqual(expected);
  }
}, 400_000);

it('what only claims to be an image is refused, and the refusal runs nothing', async () => {
  const files = await refusedPolyglots(payload);
  filesInAll += files.length;
  for (const polyglot of files) {
    const isProven = polyglot.runsAs !== undefined;
    const expected = { statuses: [502, 502], isProven, isShown: false, ran: 0 };
    expect.soft(await tried(polyglot), polyglot.name).toEqual(expected);
  }
}, 400_000);

it('no response that holds the words of a caller or of the upstream runs them', async () => {
  const words = `<!doctype html><script>${payload.script}</script>`;
  const inUrl = encodeURIComponent(`<script>${payload.script}</script>`);
  const failed = failedOperation('operation1', 3, words);
  upstream.on('Generate', ok(toBinary(OperationSchema, { ...failed, description: words })));
  const created = await jsonOf(open.create({ prompt: `${words}, in oil` }));
  const { self, image, events } = created['urls'] as Record<string, string>;
  const addresses = [
    ...[self, `${self}/image?wait=1`, `${image}?download=1`, events],
    ...[
      '/',
      '/operations/',
      '/v1/',
      '/v1/images/',
      '/problems/',
      '/docs/',
      '/foundationModels/v1/',
    ].map((path) => `${open.origin}${path}${inUrl}`),
    ...[`${self}?wait=${inUrl}`, `${self}?${inUrl}=1`, `${open.origin}/?${inUrl}#${inUrl}`],
    ...[`${open.origin}/docs?url=${inUrl}`, `${open.origin}/openapi.json?${inUrl}`],
  ];
  for (const address of addresses) {
    await visit(String(address));
    await visit(site.embedding(String(address)));
  }
  expect(JSON.stringify(await jsonOf(fetch(String(self))))).toContain('<script>');
  // A form of another site's page can send a body, and shows what comes back.
  const posts = ['/v1/images', '/v1/images/generations', '/v1/tokens', vendorPath];
  for (const path of posts) {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      await visit(site.origin);
      await Promise.all([
        page.waitForNavigation(),
        page.evaluate(`{
          const form = document.createElement('form');
          Object.assign(form, { method: 'post', action: '${open.origin}${path}', enctype: '${type}' });
          const field = document.createElement('textarea');
          field.name = ${JSON.stringify(`{"prompt":"${inUrl}<script>`)};
          field.value = ${JSON.stringify(words)};
          form.append(field);
          document.body.append(form);
          form.submit();
        }`),
      ]);
    }
  }
  sums.responses = addresses.length * (1 + embedCount) + posts.length * 3;
  const ran = await ranSince();
  sums.ran += ran;
  expect(ran).toBe(0);
}, 400_000);

afterAll(() => {
  const { files, provenToRun, ways, responses, ran, shown } = sums;
  recordFigure({
    promise: 'P19',
    says: 'Served images are inert',
    goal: 'polyglots in a real browser: 0 scripts run',
    seen:
      `${files} files, ${provenToRun} of which run where a server is careless, opened and embedded in ` +
      `${ways} ways, and ${responses} of JSON, events and problems: ${ran} scripts or styles ran; ${shown} shown as images`,
    isMet: ran === 0 && files === filesInAll && responses > 0,
    by: 'npm run test:browser',
  });
});
