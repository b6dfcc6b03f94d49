/** Paths whose last slash stands before an empty id: without it they would name another resource. */
const emptyId = /\/operations\/$/;

/**
 * The target of a request as all that follows judges it: doubled slashes are
 * one, a slash at the end is left out, and a whole URL is its path. Dot segments
 * and encoded slashes stay what they are, which is nothing that is served. A
 * path that is not valid percent-encoding stands for its characters: routes see
 * an unknown id or an unknown path then, as with any other.
 */
export function canonicalTarget(target: string): string {
  const relative = target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?]*/i, '');
  const queryAt = relative.indexOf('?');
  const path = queryAt === -1 ? relative : relative.slice(0, queryAt);
  const query = queryAt === -1 ? '' : relative.slice(queryAt);
  return canonicalPath(path) + query;
}

function canonicalPath(path: string): string {
  const collapsed = path.includes('//') ? path.replace(/\/{2,}/g, '/') : path;
  const hasSlash = collapsed.length > 1 && collapsed.endsWith('/') && !emptyId.test(collapsed);
  const trimmed = hasSlash ? collapsed.slice(0, -1) : collapsed;
  return trimmed.includes('%') && !isDecodable(trimmed) ? trimmed.replaceAll('%', '%25') : trimmed;
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}
