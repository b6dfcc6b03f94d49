import type { AuthForm } from './dialects.ts';

/** The addresses of a backend's methods. */
export interface BackendAddresses {
  readonly generations: URL;
  readonly models: URL;
}

/**
 * Methods below the base URL, which may end in the version or not. The query of
 * the base (`api-version=…`) belongs to each of them.
 */
export function addressesFromBase(base: URL): BackendAddresses {
  const path = base.pathname.replace(/\/+$/, '');
  // A deployment of Azure's is a path of its own, and has no version in it.
  const hasVersion = /\/v[0-9]+(?:beta)?(?:\/openai)?$|\/deployments\/[^/]+$/.test(path);
  const isAzureRoot = path === '' && /\.azure\.com$/i.test(base.hostname);
  const prefix = hasVersion ? path : `${path}${isAzureRoot ? '/openai' : ''}/v1`;
  const at = (method: string) => {
    const url = new URL(base);
    url.pathname = `${prefix}/${method}`;
    return url;
  };
  return { generations: at('images/generations'), models: at('models') };
}

/** The header that carries the key. A scheme in front of the key is not sent twice. */
export function authHeaders(
  key: string | undefined,
  form: AuthForm,
): Readonly<Record<string, string>> {
  if (key === undefined) return {};
  const bare = key.replace(/^(?:bearer|api-key) +/i, '');
  switch (form) {
    case 'bearer':
      return { authorization: `Bearer ${bare}` };
    case 'api-key':
      return { authorization: `Api-Key ${bare}` };
    case 'basic':
      return { authorization: `Basic ${Buffer.from(bare).toString('base64')}` };
    default:
      return { [form.slice('header:'.length).toLowerCase()]: bare };
  }
}
