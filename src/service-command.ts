import { parseArgs } from 'node:util';
import { serviceDirectoryOf } from './config/service-directory.ts';
import { serviceSettingsFromEnvironment } from './config/service-settings.ts';
import {
  inspectService,
  type LateImage,
  type ServiceInspection,
  type ShownOperation,
} from './service/service-inspection.ts';

const usage = `usage: npm run service -- COMMAND        (without one, the service starts)

  operations            what has not ended, oldest first
    --unknown           operations whose image may have been paid for and is lost
    --late              images that came when their operation had ended; kept for a day
    --json              one line of JSON each
  pause [BACKEND]       asks the backend (local, openai), or every one, for nothing more
  resume [BACKEND]      lets it be asked again; without a name, all of them

It reads the settings of the service (SERVICE_DIR or DATA_DIR), and works while the
service runs and while it does not. A running one takes a change within a second.
`;

/** Names of what may make the images. */
const backends: ReadonlySet<string> = new Set(['local', 'openai']);

/** A mistake in how the command was called: exit code 2. */
class UsageError extends Error {}

type Values = ReturnType<typeof argumentsOf>['values'];

/** Runs a command of the service's operator. @returns The exit code. */
export async function runServiceCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  try {
    const { values, positionals } = argumentsOf(args);
    if (values.help === true) {
      process.stdout.write(usage);
      return 0;
    }
    const work = workOf(values, positionals);
    const settings = serviceSettingsFromEnvironment(environment);
    const inspection = await inspectService(serviceDirectoryOf(settings));
    try {
      process.stdout.write(await work(inspection));
    } finally {
      await inspection.close();
    }
    return 0;
  } catch (error) {
    const isUsage = error instanceof UsageError;
    process.stderr.write(`service: ${(error as Error).message}\n${isUsage ? `\n${usage}` : ''}`);
    return isUsage ? 2 : 1;
  }
}

function argumentsOf(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        unknown: { type: 'boolean' },
        late: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

type Work = (inspection: ServiceInspection) => Promise<string>;

function workOf(values: Values, [command = '', backend, ...rest]: readonly string[]): Work {
  if (rest.length > 0) throw new UsageError('too many arguments');
  if (command === 'operations' && backend === undefined) {
    if (values.unknown === true && values.late === true) {
      throw new UsageError('--unknown or --late, not both');
    }
    return (inspection) => list(inspection, values);
  }
  if (command !== 'pause' && command !== 'resume') {
    throw new UsageError(`${command === 'operations' ? String(backend) : command} is no command`);
  }
  if (Object.keys(values).length > 0) throw new UsageError('only operations takes options');
  if (backend !== undefined && !backends.has(backend)) {
    throw new UsageError(`${backend} is no backend: ${[...backends].join(' or ')}`);
  }
  return async (inspection) => {
    await inspection.setPaused(command === 'pause', backend);
    return pausesOf(inspection);
  };
}

async function list(inspection: ServiceInspection, values: Values): Promise<string> {
  const rows = await rowsOf(inspection, values);
  if (values.json === true) return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const count = `${rows.length} ${rows.length === 1 ? 'line' : 'lines'}\n`;
  return inspection.paused.length > 0
    ? `${pausesOf(inspection)}${tableOf(rows)}${count}`
    : `${tableOf(rows)}${count}`;
}

type Row = ShownOperation | LateImage;

async function rowsOf(inspection: ServiceInspection, values: Values): Promise<readonly Row[]> {
  if (values.unknown === true) return inspection.unknown();
  return values.late === true ? inspection.late() : inspection.unfinished();
}

/** Columns as wide as their widest entry. */
function tableOf(rows: readonly Row[]): string {
  if (rows.length === 0) return '';
  const names = Object.keys(rows[0] ?? {});
  const cells = rows.map((row) => Object.values(row).map(cellOf));
  const lines = [names.map((name) => name.toUpperCase()), ...cells];
  const widths = names.map((_, at) => Math.max(...lines.map((line) => (line[at] ?? '').length)));
  return lines
    .map((line) =>
      line
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

function cellOf(value: string | number | undefined): string {
  return value === undefined || value === '' ? '–' : String(value);
}

function pausesOf({ paused }: ServiceInspection): string {
  if (paused.length === 0) return 'no backend is paused\n';
  return paused.includes('*') ? 'every backend is paused\n' : `paused: ${paused.join(', ')}\n`;
}
