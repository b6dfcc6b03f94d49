/** The settings that say where a process listens, as a sentence names them. */
export interface ListenSettings {
  readonly hosts: readonly string[];
  readonly ports: readonly string[];
}

const anyOf = new Intl.ListFormat('en-GB', { type: 'disjunction' });

/** Codes of the system for a failed `listen`. */
const sentences: Readonly<Record<string, (names: ListenSettings) => string>> = {
  EADDRINUSE: ({ hosts, ports }) =>
    `The address is already in use: set another ${anyOf.format([...hosts, ...ports])}.`,
  EADDRNOTAVAIL: ({ hosts }) => `${hosts.join(', ')}: this machine has no such address.`,
  EACCES: ({ ports }) => mayNotListen(ports),
  EPERM: ({ ports }) => mayNotListen(ports),
  EAFNOSUPPORT: ({ hosts }) =>
    `${hosts.join(', ')}: this machine has no addresses of that kind (IPv6 may be off).`,
  EINVAL: ({ hosts }) => `${hosts.join(', ')}: this machine cannot listen on that address.`,
  ENOTFOUND: ({ hosts }) => `${hosts.join(', ')}: no address is known for that name.`,
  EAI_AGAIN: ({ hosts }) => `${hosts.join(', ')}: no address is known for that name.`,
};

/**
 * What the operator can do about a failed `listen`; undefined for other errors.
 *
 * grpc-js keeps the system's words in a message of its own, in place of the code.
 */
export function listenFailureText(error: Error, names: ListenSettings): string | undefined {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  const isListening = syscall === 'listen' || syscall === 'bind' || syscall === 'getaddrinfo';
  if (isListening) return sentences[code ?? '']?.(names);
  const [, , quoted = ''] = /\b(listen|bind|getaddrinfo) ([A-Z_]+)\b/.exec(message) ?? [];
  if (quoted !== '') return sentences[quoted]?.(names);
  return message.startsWith('Name resolution failed') ? sentences['ENOTFOUND']?.(names) : undefined;
}

function mayNotListen(ports: readonly string[]): string {
  return `${ports.join(', ')}: this process may not listen there; ports below 1024 need a privilege.`;
}
