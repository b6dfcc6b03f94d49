import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { openApi30Document, openApiDocument } from '../../src/schemas/document.ts';
import { reasons } from '../../src/errors/reason.ts';
import { scopes } from '../../src/schemas/tokens.ts';
import { version } from '../../src/schemas/product-version.ts';

type Json = Record<string, unknown>;

function* nodes(value: unknown, path = '#'): Generator<readonly [string, Json]> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield [path, value as Json];
  for (const [name, item] of Object.entries(value)) {
    if (name !== 'value' && name !== 'example') yield* nodes(item, `${path}/${name}`);
  }
}

const documents = { '3.1': openApiDocument() as Json, '3.0': openApi30Document() as Json };

describe.each(Object.entries(documents))('the OpenAPI %s document', (_, document) => {
  it('resolves every reference', () => {
    for (const [path, node] of nodes(document)) {
      const reference = node['$ref'];
      if (typeof reference !== 'string') continue;
      const target = reference
        .slice(2)
        .split('/')
        .reduce<unknown>((at, name) => (at as Json)[name], document);
      expect(target, `${path} → ${reference}`).toBeDefined();
    }
  });

  it('names the fields of OpenAI’s body as its clients send them', () => {
    const { schemas } = document['components'] as { schemas: Record<string, { properties: Json }> };
    const names = Object.keys(schemas['OpenAiImageRequest']?.properties ?? {});
    expect(names).toEqual(expect.arrayContaining(['response_format', 'output_format', 'seed']));
    expect(names.filter((name) => /[A-Z]/.test(name))).toStrictEqual([]);
  });

  it('names every operation once, and gives every success with a body an example', () => {
    const ids = [...nodes(document['paths'])].flatMap(([, node]) => node['operationId'] ?? []);
    expect(ids).toEqual([
      'createImage',
      'getOperation',
      'getOperationImage',
      'streamOperation',
      'cancelOperation',
      'createToken',
      'createOpenAiImage',
      'listModels',
      'getModel',
      'createYandexImage',
      'getYandexOperation',
    ]);
    for (const [path, node] of nodes(document['paths'])) {
      if (!/\/content\/application~?1?\/?(?:problem\+)?json$/.test(path)) continue;
      expect(node['examples'], path).toBeDefined();
    }
  });

  it('has no nullables, no defaults in requests, and no unions of a text and an object', () => {
    for (const [path, node] of nodes(document)) {
      expect(node['nullable'], path).toBeUndefined();
      if (path.includes('requestBody')) expect(node['default'], path).toBeUndefined();
      expect(Array.isArray(node['type']), path).toBe(false);
      expect(node['anyOf'], path).toBeUndefined();
    }
  });

  it('closes requests and leaves responses open', () => {
    const schemas = (document['components'] as Json)['schemas'] as Record<string, Json>;
    const closed = Object.entries(schemas).filter(
      ([, schema]) => schema['additionalProperties'] === false,
    );
    expect(closed.map(([name]) => name).toSorted()).toEqual([
      'AspectRatio',
      'GenerationOptions',
      'ImageRequest',
      'OpenAiImageRequest',
      'PromptMessage',
      'TokenRequest',
      'VendorImageRequest',
    ]);
  });

  it('describes bytes as binary texts', () => {
    const image = (document['paths'] as Record<string, Record<string, Json>>)[
      '/operations/{id}/image'
    ];
    const responses = image?.['get']?.['responses'] as Record<string, Json>;
    const content = responses['200']?.['content'] as Json | undefined;
    expect(content?.['image/jpeg']).toEqual({
      schema: { type: 'string', format: 'binary' },
    });
  });
});

describe.each(Object.entries(documents))('the lists of the OpenAPI %s document', (_, document) => {
  const schemas = (document['components'] as Json)['schemas'] as Record<string, Json>;

  it('are open for codes, outcomes and scopes: a string whose description has the known values', () => {
    for (const [name, known] of [
      ['ProblemCode', reasons],
      ['SpendOutcome', ['not_started', 'unknown', 'accepted']],
      ['Scope', scopes],
    ] as const) {
      const { type, description, ...rest } = schemas[name] ?? {};
      expect([name, type]).toEqual([name, 'string']);
      expect(rest).not.toHaveProperty('enum');
      for (const value of known) expect(description).toContain(`\`${value}\``);
    }
  });

  it('are closed in responses for the status alone', () => {
    const responses = [
      'Operation',
      'Problem',
      'OperationError',
      'Token',
      'OpenAiImages',
      'RpcStatus',
    ];
    for (const name of responses) {
      const closed = Array.from(nodes(schemas[name] as Json)).filter(
        ([path, node]) => 'enum' in node && !path.endsWith('/status'),
      );
      expect(closed, name).toEqual([]);
    }
  });

  it('hold no constant boolean', () => {
    const constant = Array.from(nodes(document)).filter(
      ([path, { const: only, enum: list }]) =>
        !/\/examples?\//.test(path) &&
        [only, ...(Array.isArray(list) ? (list as unknown[]) : [])].some(
          (value) => typeof value === 'boolean',
        ),
    );
    expect(constant.map(([path]) => path)).toEqual([]);
  });
});

describe('the two documents', () => {
  it('name the license with its address', () => {
    for (const document of Object.values(documents)) {
      const { license } = document['info'] as { license: object };
      expect(license).toEqual({
        name: 'Apache-2.0',
        url: 'https://www.apache.org/licenses/LICENSE-2.0',
      });
    }
  });

  it('have the version of their OpenAPI and of the package', async () => {
    const { version: packaged } = JSON.parse(await readFile('package.json', 'utf8')) as Json;
    expect(version).toBe(packaged);
    expect(documents['3.1']).toMatchObject({ openapi: '3.1.0', info: { version } });
    expect(documents['3.0']).toMatchObject({ openapi: '3.0.3', info: { version } });
  });

  it('show an operation as variants of its status, or flat', () => {
    const schemaOf = (document: Json) =>
      ((document['components'] as Json)['schemas'] as Record<string, Json>)['Operation'];
    expect(schemaOf(documents['3.1'])).toMatchObject({ discriminator: { propertyName: 'status' } });
    expect(schemaOf(documents['3.0'])).toMatchObject({
      type: 'object',
      properties: { status: { enum: ['running', 'succeeded', 'failed', 'canceled'] } },
    });
  });

  it('have no keyword of 3.1 in 3.0', () => {
    for (const [path, node] of nodes(documents['3.0'])) {
      expect(
        Object.keys(node).filter((name) => ['const', 'propertyNames', 'identifier'].includes(name)),
        path,
      ).toEqual([]);
    }
  });
});
