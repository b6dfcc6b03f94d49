import type { Mutation } from './mutation.ts';

const misbehaving = 'test/renderers/openai/misbehaving-backend.test.ts';
const dialects = 'test/renderers/openai/dialects.test.ts';

/** Mistakes about image models behind HTTP. */
export const rendererMutations: readonly Mutation[] = [
  {
    name: 'whether a request was sent is judged by the error',
    file: 'src/renderers/http-exchange.ts',
    right: `if (this.#isStarted) this.#end({ kind: 'lost', how, cause });`,
    wrong: `if (!/ECONNRESET|UND_ERR_SOCKET/.test(String((cause as NodeJS.ErrnoException | undefined)?.code))) this.#end({ kind: 'lost', how, cause });`,
    noticedBy: misbehaving,
  },
  {
    name: 'a 503 goes back into the queue',
    file: 'src/renderers/openai/response-failure.ts',
    right: `    case 429:`,
    wrong: `    case 503:\n    case 429:`,
    noticedBy: misbehaving,
  },
  {
    name: 'a list without an image costs nothing',
    file: 'src/renderers/openai/response-image.ts',
    right: `{ isSpent: true }`,
    wrong: `{}`,
    noticedBy: misbehaving,
  },
  {
    name: 'the head of an image is taken for an image',
    file: 'src/renderers/image-from-bytes.ts',
    right: `if (!isWholeByType[type](bytes)) throw`,
    wrong: `if (bytes.length === 0) throw`,
    noticedBy: misbehaving,
  },
  {
    name: 'a response that ends where the connection does is never cut',
    file: 'src/renderers/openai/response-image.ts',
    right: `if (isFramed) throw`,
    wrong: `if (isFramed || body.length > 0) throw`,
    noticedBy: misbehaving,
  },
  {
    name: 'a seed of 0 is sent, and the server draws one that no one knows',
    file: 'src/renderers/seed.ts',
    right: `return within === 0n ? max : within;`,
    wrong: `return within;`,
    noticedBy: 'test/renderers/size-and-seed.test.ts',
  },
  {
    name: 'a command in a prompt passes in wide letters',
    file: 'src/renderers/prompt-syntax.ts',
    right: `.normalize('NFKC')`,
    wrong: `.normalize('NFC')`,
    noticedBy: 'test/renderers/texts.test.ts',
  },
  {
    name: 'a command passes in a negative prompt',
    file: 'src/renderers/openai/render-plan.ts',
    right: `of [prompt, ...negativePrompts]) {`,
    wrong: `of [prompt]) {`,
    noticedBy: dialects,
  },
  {
    name: 'the operator’s fields choose the number of images',
    file: 'src/renderers/openai/request-body.ts',
    right: `    n: 1,`,
    wrong: `    n: params['n'] ?? 1,`,
    noticedBy: dialects,
  },
  {
    name: 'an address is not judged where it is dialled',
    file: 'src/renderers/openai/image-url.ts',
    right: `{ lookup: publicLookup(resolve) }`,
    wrong: `{}`,
    noticedBy: 'test/renderers/openai/image-url.test.ts',
  },
];
