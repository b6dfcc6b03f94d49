/**
 * Origins of web pages and app web views, as the `Origin` header and CORS_ORIGINS name them.
 *
 * `new URL(text).origin` alone does not do: it is "null" for every scheme that
 * the URL standard does not know, such as `tauri://localhost`.
 */

/** Schemes that never stand in an `Origin` header: pages have the origin of their http(s) address, or none. */
const neverSent: ReadonlySet<string> = new Set(['ws', 'wss', 'ftp', 'file', 'data', 'blob']);
const appOrigin = /^([a-z][a-z0-9+.-]*):\/\/([a-z0-9._~-]+(?::[0-9]{1,5})?)$/;

/**
 * An origin in the form that equal origins share: `https://Example.com:443/`
 * and `https://example.com` are one. Undefined for anything else, `null` too.
 */
export function webOriginFromText(text: string): string | undefined {
  if (/^https?:\/\//i.test(text)) return httpOriginFromText(text);
  const origin = text.toLowerCase().replace(/\/$/, '');
  const [, scheme] = appOrigin.exec(origin) ?? [];
  return scheme === undefined || neverSent.has(scheme) ? undefined : origin;
}

/**
 * An origin, or `https://*.example.com` for one or more whole labels in front
 * of a domain of two labels at least. Undefined for what no page can have.
 */
export function originPatternFromText(text: string): string | undefined {
  const [, scheme, domain = ''] = /^(https?:\/\/)\*\.(.+)$/i.exec(text) ?? [];
  if (scheme === undefined) return webOriginFromText(text);
  const origin = httpOriginFromText(`${scheme}${domain}`);
  if (origin === undefined || !/^[^.[]+(?:\.[^.]+)+$/.test(new URL(origin).hostname))
    return undefined;
  // An address has no labels to stand in front of.
  if (httpOriginFromText(`${scheme}label.${domain}`) === undefined) return undefined;
  return origin.replace('://', '://*.');
}

/**
 * A host name, or `*.example.com` as above, as the pattern of its http origin.
 * Undefined for anything else, with a port or a scheme too.
 */
export function hostPatternFromText(text: string): string | undefined {
  return /[:/]/.test(text) ? undefined : originPatternFromText(`http://${text.replace(/\.$/, '')}`);
}

/** Whether the value of an `Origin` header is one of these patterns, as `originPatternFromText` gives them. */
export function isOriginAmong(header: string, patterns: readonly string[] | '*'): boolean {
  if (patterns === '*') return true;
  const origin = webOriginFromText(header);
  return origin !== undefined && patterns.some((pattern) => matches(origin, pattern));
}

function matches(origin: string, pattern: string): boolean {
  const [scheme = '', domain] = pattern.split('*');
  if (domain === undefined) return origin === pattern;
  if (!origin.startsWith(scheme) || !origin.endsWith(domain)) return false;
  const labels = origin.slice(scheme.length, -domain.length);
  return /^[^.:[\]]+(?:\.[^.:[\]]+)*$/.test(labels);
}

/** By the URL parser, which also encodes international names. Nothing may follow the port. */
function httpOriginFromText(text: string): string | undefined {
  if (/[?#@*\\\s]/.test(text) || !URL.canParse(text)) return undefined;
  const { origin, pathname } = new URL(text);
  return pathname === '/' ? origin : undefined;
}
