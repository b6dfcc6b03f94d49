import { settings } from './config/settings.ts';
import { SettingsError } from './config/settings-error.ts';

/** Causes of a failed `listen`, by Node's error code. */
const listenFailures: Readonly<Record<string, string>> = {
  EADDRINUSE: 'The address is already in use: set another HOST, PORT or METRICS_PORT.',
  EADDRNOTAVAIL: 'HOST, METRICS_HOST: this machine has no such address.',
  EACCES:
    'PORT, METRICS_PORT: this process may not listen there; ports below 1024 need a privilege.',
  EPERM:
    'PORT, METRICS_PORT: this process may not listen there; ports below 1024 need a privilege.',
  EAFNOSUPPORT: 'HOST, METRICS_HOST: this machine has no addresses of that kind (IPv6 may be off).',
  EINVAL: 'HOST, METRICS_HOST: this machine cannot listen on that address.',
  ENOTFOUND: 'HOST, METRICS_HOST: no address is known for that name.',
  EAI_AGAIN: 'HOST, METRICS_HOST: no address is known for that name.',
};

/** Why the start failed: one sentence where the operator can put it right, else the stack. */
export function startFailureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof SettingsError) return error.message;
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  const isListening = syscall === 'listen' || syscall === 'bind' || syscall === 'getaddrinfo';
  const sentence = isListening ? listenFailures[code ?? ''] : undefined;
  if (sentence !== undefined) return sentence;
  const [name = ''] = message.split(':');
  return name in settings ? message : (error.stack ?? message);
}
