import { settings } from './config/settings.ts';
import { SettingsError } from './config/settings-error.ts';
import { listenFailureText } from './text/listen-failure.ts';

const listenSettings = { hosts: ['HOST', 'METRICS_HOST'], ports: ['PORT', 'METRICS_PORT'] };

/** Why the start failed: one sentence where the operator can put it right, else the stack. */
export function startFailureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof SettingsError) return error.message;
  const [name = ''] = error.message.split(':');
  if (name in settings) return error.message;
  return listenFailureText(error, listenSettings) ?? error.stack ?? error.message;
}
