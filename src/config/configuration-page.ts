import { serviceSettings } from './service-settings.ts';
import type { Setting } from './setting-declaration.ts';
import { settings } from './settings.ts';

/** The text of docs/configuration.md: every setting of the gateway and of the service. */
export function configurationPage(): string {
  return [
    '# Configuration',
    '',
    'Settings are environment variables. All mistakes are reported at once, by name, before anything starts; the value of a',
    'secret is never printed. `npm start -- --check-config` reports them and starts nothing. White space around a value does not',
    'count, and an empty value is the same as none. Files are read again within a second or two of a change; a wrong one leaves',
    'what was read before in use and is reported in the log. A variable that is nearly a setting stops the start.',
    '',
    'With nothing set the gateway listens on loopback, with the [service](service.md) embedded on a thread, which draws local',
    'images. Another upstream is three settings away: `UPSTREAM_ADDRESS`, one credential, and `FOLDER_ID`. TLS is verified unless',
    'the address says `http://`.',
    '',
    'This page is generated from `src/config/settings.ts` by `npm run generate`.',
    '',
    ...table(settings),
    '',
    '## The service',
    '',
    'Settings of `npm run service`, from `src/config/service-settings.ts` ([what it is](service.md)).',
    '',
    ...table(serviceSettings),
    '',
  ].join('\n');
}

function table(declared: Readonly<Record<string, Setting>>): readonly string[] {
  const rows = Object.entries(declared).map(
    ([name, { default: fallback, meaning }]) =>
      `| \`${name}\` | ${fallback === '–' ? '–' : `\`${fallback}\``} | ${meaning} |`,
  );
  return ['| setting | default | meaning |', '|---|---|---|', ...rows];
}
