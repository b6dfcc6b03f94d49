import { z } from 'zod';
import { setting, type Setting } from './setting-declaration.ts';
import {
  choice,
  headerPairs,
  httpUrl,
  integer,
  jsonObject,
  secret,
  text,
} from './setting-values.ts';

/** Fields of a body that choose what is made and how many: one image costs one image. */
const ownFields = new Set([
  ...['prompt', 'n', 'model', 'stream', 'partial_images'],
  ...['batch_size', 'batch_count', 'n_iter', 'num_images', 'num_outputs', 'samples'],
  ...['num_images_per_prompt', 'num_outputs_per_prompt'],
]);

const params = jsonObject.refine(
  (fields) => Object.keys(fields).every((name) => !ownFields.has(name)),
  {
    error: `must not hold ${[...ownFields].slice(0, 4).join(', ')} or a number of images: one image is one request`,
  },
);

const headerName = /^header:[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/i;
const auth = z.string().transform((value, context) => {
  const word = value.toLowerCase();
  if (word === 'bearer' || word === 'api-key' || word === 'basic') return word;
  if (headerName.test(value)) return word as `header:${string}`;
  context.addIssue({ code: 'custom', message: 'must be bearer, api-key, basic or header:NAME' });
  return z.NEVER;
});

/** The settings of an image model behind HTTP, for the service and for the gateway that has one inside. */
export const backendSettings = {
  BACKEND_URL: setting(httpUrl.optional(), {
    meaning:
      'Base URL of a server that makes images, with or without `/v1`: `http://127.0.0.1:8000`, `https://api.openai.com`. Unset: local drawings.',
  }),
  BACKEND_KIND: setting(choice('auto', 'openai').default('auto'), {
    default: 'auto',
    meaning: 'Protocol of the backend: `openai` is `POST /v1/images/generations`.',
  }),
  BACKEND_DIALECT: setting(
    choice(
      ...(['auto', 'generic', 'openai', 'azure', 'xai', 'together'] as const),
      ...(['yandex', 'localai', 'vllm', 'lemonade', 'litellm'] as const),
    ).default('auto'),
    {
      default: 'auto',
      meaning:
        'Whose form of it the backend speaks. `auto`: by its host, else by what its list of models says, else `generic`.',
    },
  ),
  BACKEND_API_KEY: setting(secret.optional(), { meaning: 'Key for the backend.' }),
  BACKEND_API_KEY_FILE: setting(text.optional(), {
    meaning: 'File that holds the key; read for each image.',
  }),
  BACKEND_AUTH: setting(auth.optional(), {
    default: 'the dialect’s, mostly bearer',
    meaning:
      'How the key is sent: `bearer`, `api-key` (both in Authorization), `basic` (the key is `user:password`) or `header:NAME`.',
  }),
  BACKEND_HEADERS: setting(headerPairs.default({}), {
    meaning: 'Further headers, `Name=value` separated by commas: `OpenAI-Project=b1g…`.',
  }),
  BACKEND_PARAMS: setting(params.default({}), {
    meaning:
      'JSON object of further fields of each request, such as `{"quality":"low"}` or `{"steps":4}`; null leaves a field out. The prompt, the model and the number of images are not among them.',
  }),
  BACKEND_MODEL: setting(
    z
      .string()
      .regex(/^[\x21-\x7e]{1,300}$/, { error: 'must be a model name without spaces' })
      .optional(),
    {
      default: 'the dialect’s, else the first that it lists',
      meaning: 'Model that is asked for, by the backend’s own name.',
    },
  ),
  BACKEND_SPEND: setting(choice('free', 'once').optional(), {
    default: 'once with https or a key, else free',
    meaning:
      'Whether an image costs money. `once`: asked for at most once, and a lost response is never repeated. `free`: repeated, at most three times.',
  }),
  BACKEND_CONCURRENCY: setting(integer({ min: 1, max: 1_000 }).optional(), {
    default: '1; a cloud 4',
    meaning: 'Images asked for at the same time.',
  }),
  BACKEND_TIMEOUT_MS: setting(integer({ min: 1_000, max: 3_600_000 }).default(600_000), {
    default: '600000',
    meaning: 'How long one image may take.',
  }),
  BACKEND_IMAGES_PER_DAY_MAX: setting(integer({ min: 0, max: 1_000_000_000 }).optional(), {
    meaning: 'Most images asked for in a calendar day (UTC).',
  }),
  BACKEND_CA_FILE: setting(text.optional(), {
    default: "Node's roots",
    meaning:
      'PEM file with the CA that signed the backend’s certificate, where it is a private one.',
  }),
  BACKEND_PROMPT_SYNTAX: setting(choice('plain', 'allow').default('plain'), {
    default: 'plain',
    meaning:
      'Whether prompts may hold what a server of one’s own obeys: `<lora:…>` with a path, `__wildcard__`, `embedding:`, a pipe sign. `plain` refuses them.',
  }),
} as const satisfies Record<string, Setting>;

/** The backend's settings after validation, by name. */
export type BackendSettingValues = {
  readonly [Name in keyof typeof backendSettings]: z.output<
    (typeof backendSettings)[Name]['schema']
  >;
};

/** Settings that mean nothing without a backend. */
const dependentNames = [
  ...(['BACKEND_DIALECT', 'BACKEND_API_KEY', 'BACKEND_API_KEY_FILE', 'BACKEND_AUTH'] as const),
  ...(['BACKEND_MODEL', 'BACKEND_SPEND', 'BACKEND_CONCURRENCY'] as const),
  ...(['BACKEND_IMAGES_PER_DAY_MAX', 'BACKEND_CA_FILE'] as const),
];

/** Mistakes between the settings of a backend. */
export function backendMistakes(values: BackendSettingValues): readonly string[] {
  const { BACKEND_URL: url, BACKEND_API_KEY: key, BACKEND_API_KEY_FILE: file } = values;
  const mistakes: string[] = [];
  if (key !== undefined && file !== undefined) {
    mistakes.push('BACKEND_API_KEY, BACKEND_API_KEY_FILE: set one of them');
  }
  if (url === undefined) {
    const given = dependentNames.filter(
      (name) => values[name] !== undefined && values[name] !== 'auto',
    );
    mistakes.push(...given.map((name) => `${name}: needs BACKEND_URL, the address of the backend`));
  }
  const isPlain = url?.protocol === 'http:';
  if (isPlain && values.BACKEND_CA_FILE !== undefined) {
    mistakes.push('BACKEND_CA_FILE: means nothing for a BACKEND_URL that begins with http://');
  }
  return mistakes;
}

/** Whether an image costs money: where nothing says, a key or https is taken for a sign of a bill. */
export function backendSpendOf(values: BackendSettingValues): 'free' | 'once' {
  const { BACKEND_URL: url, BACKEND_API_KEY: key, BACKEND_API_KEY_FILE: file } = values;
  if (values.BACKEND_SPEND !== undefined) return values.BACKEND_SPEND;
  return url?.protocol === 'https:' || key !== undefined || file !== undefined ? 'once' : 'free';
}
